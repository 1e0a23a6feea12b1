#!/bin/sh
# cron-rotate.sh LOG TOPIC STATE: for cron. Takes a rotated log into a topic, and sums up what is new in the topic.
#
#     */10 * * * *  cron-rotate.sh /var/log/nginx/access.log.1 clicks /var/lib/clicks
#
# LOG: a log that nobody writes to any more, as logrotate's access.log.1 (delaycompress). Missing: nothing to take in.
# STATE: a directory of this script's own, on LOG's file system; it may be missing. A summary is a file in it,
# summary.FROM-TO: the requests of each status among the records at the offsets FROM <= offset < TO. The newest has to
# stay: it says that its range is done.
#
# What holds, also when this script, streamcli or the machine dies at any moment, once a later run ends with status 0:
#   - every line of every LOG is in the topic exactly once, in order;
#   - every record of the topic is in exactly one summary, and the summaries follow one another without a gap.
# Any other status: nothing is lost, the next run goes on where this one stopped.
# It rests on two things: the topic has one partition, and nobody else produces to it. Then the end of the topic says
# how much of LOG is in it already. Two runs at once are kept apart by flock(1), whose lock dies with its process.
#
# Needs: streamcli on PATH, flock (util-linux), sync, and POSIX awk and tail.
set -eu

log=$1 topic=$2 state=$3
mkdir -p "$state"
[ "${CRON_ROTATE_LOCKED-}" ] || CRON_ROTATE_LOCKED=1 exec flock -n "$state/lock" sh "$0" "$@"

# save NAME: standard input becomes the file STATE/NAME, whole or not at all.
save() { cat > "$state/+$1" && sync && mv "$state/+$1" "$state/$1"; }

# The offset that the topic's next record gets.
end_of_topic() {
    last=$(streamcli consume "$topic" -o -1 -F '%o') || return
    echo $((${last:--1} + 1))
}

streamcli topics create "$topic" --if-not-exists

# Take LOG over: note where in the topic it begins, then move it away. Only then is it ours.
if [ ! -e "$state/taken" ] && [ -e "$log" ]; then
    begin=$(end_of_topic)
    echo "$begin" | save begin
    mv "$log" "$state/taken"
    sync
fi

# Produce what is not in the topic yet: all of it, unless an earlier run died meanwhile.
if [ -e "$state/taken" ]; then
    begin=$(cat "$state/begin")
    end=$(end_of_topic)
    tail -n +$((end - begin + 1)) "$state/taken" | streamcli produce "$topic" --no-create
    # Records of a producer that was killed are in the topic, but nobody has waited for the disk to have them.
    [ "$end" -eq "$begin" ] || sync
    # The status is that of produce; that tail read all of it, the count says.
    lines=$(awk 'END { print NR }' "$state/taken")
    end=$(end_of_topic)
    [ $((end - begin)) -eq "$lines" ] || {
        echo "cron-rotate: $topic has $((end - begin)) records of $state/taken, which has $lines lines" >&2
        exit 1
    }
    rm "$state/taken"
fi

# The range in hand is in the file `range`, and done when its summary is there. So a run that died is done again over
# the very same range, whatever came to the topic since.
[ -e "$state/range" ] || echo 0 0 | save range
read -r from to < "$state/range"
if [ "$from" -eq "$to" ] || [ -e "$state/summary.$from-$to" ]; then
    from=$to
    to=$(end_of_topic)
    [ "$from" -lt "$to" ] || exit 0
    echo "$from $to" | save range
fi
# By way of a file, so that a consume that fails ends this script.
streamcli consume "$topic" -o "$from:$to" > "$state/+records"
awk '{ count[$9]++ } END { for (status in count) print status, count[status] }' "$state/+records" |
    sort | save "summary.$from-$to"
rm "$state/+records"

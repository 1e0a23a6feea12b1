#!/bin/sh
# sessions.sh CLICKS SESSIONS STATE: website activity tracking, for cron. Makes sessions of what visitors clicked: one ends
# where its visitor did nothing for 30 minutes.
#
#     */5 * * * *  sessions.sh clicks sessions /var/lib/sessions
#
# CLICKS: a topic of records VISITOR -> SECOND PAGE, key and value. The key keeps a visitor's clicks in one partition, in
# order, so each partition is worked on alone, by as many runs at once as there are partitions.
# SESSIONS: the topic of what comes of it, VISITOR START -> SECONDS CLICKS FIRST-PAGE LAST-PAGE.
# STATE: a directory for the sessions that are still open; it may be missing.
#
# What holds, also when this script, streamcli or the machine dies at any moment: every click is in one session. The state
# has in its name the offset that it goes up to, so a run that is done again starts from what the first one started from, makes
# the same sessions, and produces them under the same keys: `streamcli table SESSIONS` has each once.
#
# Needs: streamcli on PATH, sync, and POSIX awk.
set -eu

# The work, which streamcli starts with a partition's new clicks as its input, each as VISITOR, a tab, SECOND PAGE.
if [ "${1-}" = --sessions ]; then
    sessions=$2
    state=$3/open.$STREAMCLI_PARTITION
    closed=$3/closed.$STREAMCLI_PARTITION

    # The newest state that does not go beyond these clicks; one that does is of a run that was not committed.
    from=0
    for name in "$state".*; do
        offset=${name##*.}
        [ "$offset" != '*' ] || continue
        [ "$offset" -gt "$STREAMCLI_OFFSET" ] || [ "$offset" -lt "$from" ] || from=$offset
    done
    [ -e "$state.$from" ] || : > "$state.$from"

    # An open session is a line of the state, with tabs: VISITOR START LATEST CLICKS FIRST LAST.
    awk -F '\t' -v OFS='\t' -v before="$state.$from" -v after="$state+" '
        function end_session(visitor,   is) {
            split(open[visitor], is, "\t")
            print visitor " " is[1], is[2] - is[1] " " is[3] " " is[4] " " is[5]
            delete open[visitor]
        }
        function is_over(visitor, time,   is) {
            split(open[visitor], is, "\t")
            return time - is[2] > 1800
        }
        BEGIN {
            while ((getline < before) > 0) open[$1] = $2 OFS $3 OFS $4 OFS $5 OFS $6
            printf "" > after
        }
        {
            split($2, click, " ")
            newest = click[1] > newest ? click[1] : newest
            if ($1 in open && is_over($1, click[1])) end_session($1)
            if ($1 in open) {
                split(open[$1], is, "\t")
                open[$1] = is[1] OFS click[1] OFS is[3] + 1 OFS is[4] OFS click[2]
            } else open[$1] = click[1] OFS click[1] OFS 1 OFS click[2] OFS click[2]
        }
        END {
            for (visitor in open)
                if (is_over(visitor, newest)) end_session(visitor)
                else print visitor, open[visitor] > after
        }' > "$closed"
    streamcli produce "$sessions" -K '\t' "$closed"
    sync
    mv "$state+" "$state.$((STREAMCLI_LAST_OFFSET + 1))"
    sync
    for name in "$state".*; do
        [ "${name##*.}" -ge "$from" ] || rm "$name"
    done
    exit
fi

clicks=$1 sessions=$2 state=$3
mkdir -p "$state"
streamcli topics create "$sessions" --compact --if-not-exists
streamcli consume "$clicks" -g sessions -F '%k\t%s\n' -- sh "$0" --sessions "$sessions" "$state"

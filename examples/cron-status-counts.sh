#!/bin/sh
# cron-status-counts.sh TOPIC COUNTS: for cron. Counts what is new in a topic of access log lines: the requests of each
# minute and status.
#
#     * * * * *  cron-status-counts.sh clicks /var/lib/clicks
#
# COUNTS: a directory for the results of this topic; it may be missing. One file for each run of records,
# counts.PARTITION.FROM-LAST, with lines MINUTE STATUS REQUESTS for the records at these offsets, FROM to LAST.
# All of them together are the answer, which this prints:
#
#     cat COUNTS/counts.* | awk '{ n[$1 " " $2] += $3 } END { for (key in n) print key, n[key] }' | sort
#
# What holds, also when this script, streamcli or the machine dies at any moment: every record is counted exactly once.
#   - A group commits what the counting exited 0 for, so nothing is counted by two runs, nor by two overlapping crons,
#     and nothing is left out (the group is `status-counts`). A status other than 0: the next run goes on where this one stopped.
#   - Only a run that died after it wrote its file and before the commit is done again, from the same offset, perhaps to
#     a later one. Its file appears whole, by a rename, and replaces every file that begins at its offset.
#
# Needs: streamcli on PATH, sync, and POSIX awk.
set -eu

# Counting, which streamcli starts with a partition's new records as its input.
if [ "${1-}" = --count ]; then
    counts=$2
    begin=counts.$STREAMCLI_PARTITION.$STREAMCLI_OFFSET
    new=$counts/+$STREAMCLI_PARTITION
    # [22/Nov/2026:08:00:59 +0000] "GET / HTTP/1.1" 200 9; what is not like that is counted too, as - -.
    awk -F '"' '
        { split($3, after, " "); n[NF > 2 ? substr($1, index($1, "[") + 1, 17) " " after[1] : "- -"]++ }
        END { for (key in n) print key, n[key] }' > "$new"
    sync
    # Of a run that died: the same records, or fewer of them. Nothing after them was committed.
    rm -f "$counts/$begin-"*
    mv "$new" "$counts/$begin-$STREAMCLI_LAST_OFFSET"
    sync
    exit
fi

topic=$1 counts=$2
mkdir -p "$counts"
streamcli consume "$topic" -g status-counts -- sh "$0" --count "$counts"

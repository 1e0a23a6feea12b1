#!/bin/sh
# collect-logs.sh LOGS TOPIC: log aggregation, for cron. Takes the rotated logs of many hosts into one topic, and sums up what is
# new in it, ready to be mailed.
#
#     */10 * * * *  collect-logs.sh /srv/logs logs
#
# LOGS: a directory for each host, filled by rsync, say, with logs that nobody writes to any more, named as logrotate's dateext
# names them: LOGS/HOST/NAME.log-DATE. Each line, DATE TIME LEVEL TEXT, becomes a record with the host as its key and the headers
# host and file. A log that was taken moves to LOGS/HOST/taken.
# Standard output is the summary, which cron mails: one for each 8 MiB of records, and none where nothing is new.
#
# What holds: every line is in the topic, a host's in order; a second time, told by the header `file`, only if this dies between
# a log's produce and its move. Every record is in a summary: the group `mail` commits what was summed up. Two runs at once
# are kept apart by flock(1), whose lock dies with its process.
#
# Needs: streamcli on PATH, flock (util-linux), and POSIX awk, sort and head.
set -eu

# Summing up, which streamcli starts with the new records as its input, each as HOST, a tab, and the line.
if [ "${1-}" = --summary ]; then
    exec awk -F '\t' '
        {
            split($2, word, " ")
            newest = word[1] > newest ? word[1] : newest
            lines[$1]++
            errors[$1] += is_error = word[3] == "ERROR" || word[3] == "FATAL"
            total += is_error
            if (is_error) same[substr($2, index($2, word[3]))]++
        }
        END {
            printf "Subject: %d errors, up to %s\n\n%-8s %6s %7s\n", total, newest, "host", "lines", "errors"
            for (host in lines) printf "%-8s %6d %7d\n", host, lines[host], errors[host] | "sort"
            close("sort")
            if (total) print "\nmost frequent"
            for (text in same) printf "%7d  %s\n", same[text], text | "sort -k 1,1nr -k 2 | head -n 5"
        }'
fi

logs=$1 topic=$2
[ "${COLLECT_LOGS_LOCKED-}" ] || COLLECT_LOGS_LOCKED=1 exec flock "$logs" sh "$0" "$@"

streamcli topics create "$topic" --if-not-exists
for log in "$logs"/*/*.log-*; do
    [ -f "$log" ] || continue
    directory=${log%/*}
    host=${directory##*/}
    streamcli produce "$topic" -k "$host" -H "host=$host" -H "file=${log##*/}" "$log"
    mkdir -p "$directory/taken"
    mv "$log" "$directory/taken/"
done
streamcli consume "$topic" -g mail -F '%k\t%s\n' -- sh "$0" --summary

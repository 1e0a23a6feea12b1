#!/bin/sh
# spool-and-forward.sh SPOOL TARGET TOPIC: what a host logs goes to its own disk first, and from there to the centre. Lines come on
# standard input, from a program that logs or from cron:
#
#     * * * * *  journalctl -o short-iso --cursor-file=/var/lib/spool.cursor | spool-and-forward.sh /var/spool/streamcli kafka://kafka1:9092 logs
#
# SPOOL is a log directory of this host, TARGET the cluster, or for a try another log directory. Each line becomes a record with the
# host in its header `host`. Standard output is how far the forwarding is.
#
# What holds: once the lines are read they are on this disk, whether the target is there or not, and every line is in the target
# once, in order, whatever dies when. While the target is away the spool grows: --hold keeps retention from removing what was
# not forwarded, so watch the disk (`streamcli doctor` tells). The status is that of the forwarding: cron mails when it is not 0,
# and the next run goes on. Two runs at once: the later one waits for the mirror's lock.
#
# For many lines a second let two processes run for ever in place of this, from systemd say:
#
#     tail -F app.log | streamcli --dir SPOOL produce TOPIC          and          streamcli --dir SPOOL mirror TOPIC --to TARGET -f --hold
set -eu

spool=$1 target=$2 topic=$3
streamcli --dir "$spool" topics create "$topic" --retention 3d --segment-bytes 64M --if-not-exists
streamcli --dir "$spool" produce "$topic" -H "host=$(uname -n)"
status=0
streamcli --dir "$spool" mirror "$topic" --to "$target" --hold --give-up 20s || status=$?
streamcli --dir "$spool" topics clean "$topic" > /dev/null
if [ "$status" -eq 0 ]; then
    streamcli --dir "$spool" mirror "$topic" --to "$target" --status
fi
exit "$status"

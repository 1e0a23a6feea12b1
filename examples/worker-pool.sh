#!/bin/sh
# worker-pool.sh TOPIC GROUP WORKERS COMMAND [ARG ...]: a pool of workers that share a topic's partitions.
#
#     worker-pool.sh thumbnails resize 4 ./resize.sh
#
# COMMAND gets one record a run, on its standard input. A record is done when COMMAND exits 0; else it is tried again,
# and then put into the topic TOPIC.failed, from where dead-letter-replay.sh can put it back.
# Each worker is a process of its own, so this runs as well in several terminals, or as so many systemd services: start
# another one and it gets its share, stop or kill one and the others take over. More workers than partitions wait.
# Ends on Ctrl-C and SIGTERM, once the commands at work have ended and are committed.
#
# What holds: every record is processed; of one partition one at a time, in order. One whose worker was killed after
# COMMAND and before the commit is processed again, so COMMAND has to bear that. IDLE, as 5s, ends a worker when nothing
# came for that long: the pool then ends when all is done. BACKOFF, as 100ms, is the first pause before a job is tried again.
#
# Needs: streamcli on PATH.
set -eu

topic=$1 group=$2 workers=$3
shift 3

pids=
# shellcheck disable=SC2317,SC2086  # called by the traps below; the pids are words
stop() {
    trap - INT TERM
    [ -z "$pids" ] || kill $pids 2> /dev/null || :
}
trap 'stop; wait; exit 130' INT
trap 'stop; wait; exit 143' TERM

while [ "$workers" -gt 0 ]; do
    streamcli consume "$topic" -g "$group" -f ${IDLE:+--idle "$IDLE"} ${BACKOFF:+--backoff "$BACKOFF"} --each --dead-letter "$topic.failed" -- "$@" &
    pids="$pids $!"
    workers=$((workers - 1))
done

# The status of the first worker, in their order, that failed.
status=0
for pid in $pids; do
    wait "$pid" || [ "$status" -ne 0 ] || status=$?
done
exit "$status"

#!/bin/sh
# cron-clean.sh [TOPIC ...]: for cron. Applies retention and compaction now, to all topics where none is named (quote a glob).
#
#     17 * * * *  cron-clean.sh
#
# cron mails what a job prints. This prints nothing, unless something is wrong: damage (status 6; see streamcli-repair(1)), or
# a disk that cannot be written. The next run goes on where a run that failed, or was killed, left off.
#
# Runs may overlap, and need no flock(1): streamcli lets one process at a time clean a partition, with a lock of the
# kernel's that ends with its process. A partition that is being cleaned already is passed by.
#
# Needs: streamcli on PATH.
set -u

complaints=$(streamcli topics clean --lock-timeout 0 "$@" 2>&1 > /dev/null)
status=$?
# 7: nothing but partitions that others are cleaning, or are just appending to.
[ "$status" -eq 7 ] && status=0
[ "$status" -eq 0 ] || printf '%s\n' "$complaints"
exit "$status"

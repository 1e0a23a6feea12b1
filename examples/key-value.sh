#!/bin/sh
# key-value.sh TOPIC COMMAND: a table of keys and values that is kept in a compacted topic.
#
#     key-value.sh TOPIC set KEY [VALUE]    without VALUE it is standard input, all of it, of any bytes
#     key-value.sh TOPIC get KEY            prints the value and a newline; status 3 where KEY has none
#     key-value.sh TOPIC delete KEY         no error where KEY has no value
#     key-value.sh TOPIC list               a line for each key: key, tab, value
#     key-value.sh TOPIC history KEY        the values that KEY had, as far as they are still there
#     key-value.sh TOPIC clean              removes what is out of date; producers do so too, and cron-clean.sh for all topics
#
# Any number of processes may do all of this at once. What `set` and `delete` exited 0 for is on disk. Of two that set a
# key at once the later one counts; who sets a value that depends on the old one has to keep others out meanwhile, as in
# flock counter.lock sh -c 'key-value.sh t set n $(($(key-value.sh t get n) + 1))'.
#
# Statuses are streamcli's: 0 done, 2 usage, 3 no value, 4 no such topic; streamcli(1) has the others.
# Needs: streamcli on PATH, sed.
set -eu

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
topic=$1 command=$2
shift 2

# In a key that streamcli is given, \n is a newline, and a backslash is written as two.
escaped() { printf '%s\n' "$1" | sed -e 's/\\/\\\\/g' -e '$!s/$/\\n/' | tr -d '\n'; }

case $command.$# in
set.1 | set.2)
    streamcli topics create --compact --if-not-exists -- "$topic"
    if [ $# -eq 2 ]; then printf %s "$2"; else cat; fi | streamcli produce --whole -k "$(escaped "$1")" -- "$topic"
    ;;
delete.1) echo | streamcli produce --no-create -Z -k "$(escaped "$1")" -- "$topic" ;;
get.1) streamcli table -- "$topic" "$(escaped "$1")" ;;
list.0) streamcli table -- "$topic" ;;
history.1) streamcli consume --key "$(escaped "$1")" -- "$topic" ;;
clean.0) streamcli topics clean -- "$topic" ;;
*) usage ;;
esac

#!/bin/sh
# A pipeline of topics, with nothing but standard tools between them:
#
#     access log -> clicks -> (awk) -> errors, keyed by page -> (sed) -> errors-by-area
#
# Shows: produce and consume in a pipe, keys (-K), a format (-F), and JSON lines edited on their way from one topic
# to another. Each arrow is a process of its own: run them hours apart, or all at once with consume -f.
# Needs: streamcli on PATH, and POSIX awk, sed, sort, uniq and wc. Leaves nothing behind.
#
# The status of a pipe is that of its last command. That is `produce` where a topic is filled, so a 0 means that what
# arrived is on disk; that `consume` before it read everything, bash and POSIX 2024 tell with `set -o pipefail`.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
STREAMCLI_DIR=$work/log
export STREAMCLI_DIR

# 5,000 requests; every 50th fails.
awk 'BEGIN {
    split("/cart /checkout /api/orders /api/stock /search", page, " ")
    for (i = 0; i < 5000; i++)
        printf "10.0.0.%d - - [22/Nov/2026:%02d:%02d:%02d +0000] \"GET %s HTTP/1.1\" %d %d\n", \
            i % 9, 8 + i / 3600, i / 60 % 60, i % 60, page[int(i / 7) % 5 + 1], i % 50 ? 200 : 500 + i % 4, i % 1000
}' | streamcli produce clicks
echo "clicks: $(streamcli consume clicks | wc -l | tr -d ' ')"

# Only the failures, each with its page as the key: all of a page are in one of four partitions, in order.
streamcli consume clicks |
    awk '$9 >= 500 { print $7 "\t" $0 }' |
    streamcli produce errors -K '\t' --partitions 4
echo "errors: $(streamcli consume errors | wc -l | tr -d ' ')"

# Keys alone, counted.
streamcli consume errors -F '%k\n' | sort | uniq -c | sort -k 1,1nr -k 2,2 | awk '{ print "  " $2 ": " $1 }'

# As JSON lines, losslessly: new keys, all else as it was. Without "partition" the new key decides it.
streamcli consume errors --json |
    sed -e 's/"partition":[0-9]*,//' -e 's|"key":"\(/[^/"]*\)[^"]*"|"key":"\1"|' |
    streamcli produce errors-by-area --json
streamcli consume errors-by-area -F '%k\n' | sort | uniq -c | sort -k 1,1nr -k 2,2 | awk '{ print "  " $2 ": " $1 }'

# The last failure of an area, by the time in the request: only within a partition are records in the order they came.
streamcli consume errors-by-area --key /api | sort -k 4,4 | sed -n '$p'

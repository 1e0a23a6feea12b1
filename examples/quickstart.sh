#!/bin/sh
# The main job, end to end, on a log made here: produce 100,000 lines, read them back and compare, tail, describe,
# and the same with keys on four partitions. Everything is in a temporary directory that is removed at the end.
# Needs: streamcli on PATH, and a POSIX shell with awk, cmp, sort and wc. Prints each command as it runs.
# Usage: quickstart.sh [LINES]
set -eu

lines=${1:-100000}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
STREAMCLI_DIR=$work/log
export STREAMCLI_DIR

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$1"; eval "$1"; }
check() { "$@" || { echo "quickstart: the check failed: $*" >&2; exit 1; }; }

# A web server's access log. The random numbers are Lehmer's, from the seed 1.
make_access_log() {
    awk -v lines="$1" '
        function random(n) { seed = (seed * 16807) % 2147483647; return seed % n }
        BEGIN {
            seed = 1
            pages = split("/ /index.html /products /products/42 /cart /checkout /search?q=log /login /static/app.js " \
                "/static/style.css /api/v1/orders /favicon.ico", page, " ")
            agents = split("Mozilla/5.0 (X11; Linux x86_64)|curl/8.5.0|Mozilla/5.0 (iPhone; CPU iPhone OS 17_0)|" \
                "Googlebot/2.1", agent, "|")
            for (i = 0; i < lines; i++) {
                second = int(i / 20)
                status = random(100); status = status < 90 ? 200 : status < 95 ? 304 : status < 99 ? 404 : 500
                printf "10.%d.%d.%d - - [22/Nov/2026:%02d:%02d:%02d +0000] \"%s %s HTTP/1.1\" %d %d \"-\" \"%s\"\n", \
                    random(4), random(8), random(250), int(second / 3600) % 24, int(second / 60) % 60, second % 60, \
                    random(10) ? "GET" : "POST", page[random(pages) + 1], status, random(50000), agent[random(agents) + 1]
            }
        }'
}

say "A log of $lines lines, the same on every machine"
make_access_log "$lines" > access.log
run "wc -l < access.log"
run "head -n 2 access.log"

say "Produce it: status 0 means that all of it is on disk, in order"
run "streamcli produce -v clicks < access.log"

say "Consume it: byte for byte what went in"
run "streamcli consume clicks | cmp - access.log && echo same"

say "Tail it: the last records, for eyes"
run "streamcli tail -n 3 clicks"

say "Read a part of it: by offset, by content"
run "streamcli consume clicks -o 500:502"
run "streamcli consume clicks --grep '\" 500 ' | wc -l"

say "What is there"
run "streamcli topics describe clicks"

say "The same with keys, on four partitions: all lines of an address are in one partition, in order"
run "streamcli topics create by-address -p 4"
run "sed 's/ /:/' access.log | streamcli produce -v by-address -K :"
run "streamcli topics describe by-address"
run "streamcli consume by-address -F '%p %k\\n' | sort -u | cut -d ' ' -f 2 | sort | uniq -d | wc -l"
run "streamcli consume by-address -K ' ' | sort > back && sort access.log | cmp - back && echo same"

check test "$(streamcli consume clicks | wc -l)" -eq "$lines"
streamcli consume clicks > back
check cmp back access.log
say "Done. Everything was in $work, which is removed now."

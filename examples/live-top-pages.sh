#!/bin/sh
# live-top-pages.sh: real-time analytics. What a web server's visitors look at, and what fails, while the log is written.
#
# A server writes access.log; tail(1) and produce take each line into a topic as it comes; consume and awk(1) print, for each
# minute of the log's own time, the requests, the share that failed, and the ten busiest pages. On a real server that is
#
#     tail -n 0 -F /var/log/nginx/access.log | streamcli produce clicks
#     streamcli consume clicks -f -o end | awk ...
#
# in two terminals, or as two services: either may be stopped and started again, and several may read at once. Here a server
# is made up, and all of it ends after 3,000 requests.
# Needs: streamcli on PATH, POSIX awk, mkfifo and tail. Leaves nothing behind.
set -eu

requests=3000
pids=
work=$(mktemp -d)
cleanup() {
    for pid in $pids; do kill "$pid" 2> /dev/null || :; done
    for pid in $pids; do wait "$pid" 2> /dev/null || :; done # what it still writes is not to meet rm
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export STREAMCLI_DIR="$work/log"

# 25 requests a second; the random numbers are Lehmer's, from the seed 1.
serve() {
    awk -v requests="$requests" '
        function random(n) { seed = (seed * 16807) % 2147483647; return seed % n }
        BEGIN {
            seed = 1
            pages = split("/ /products /products/42 /cart /checkout /search /login /account /api/orders /api/stock /about /help", page, " ")
            for (i = 0; i < requests; i++) {
                second = int(i / 25)
                name = page[1 + int(random(pages) * random(pages) / pages)]  # the first are asked for most
                failed = random(100) < (name ~ /api/ ? 12 : 1)
                printf "10.0.%d.%d - - [22/Nov/2026:08:%02d:%02d +0000] \"GET %s HTTP/1.1\" %d %d\n", random(8), random(250),
                    second / 60, second % 60, name, failed ? 500 + random(4) : 200, random(50000)
            }
        }'
}

# Where awk is mawk, it would wait until its buffer is full.
unbuffered=
case $(awk -W version 2> /dev/null < /dev/null || :) in mawk*) unbuffered='-W interactive' ;; esac

# shellcheck disable=SC2086  # two words, or none
top_pages() {
    awk $unbuffered '
        function show(   rank, name, best) {
            printf "%s  %d requests, %.1f %% failed\n", minute, all, 100 * failed / all
            for (rank = 1; rank <= 10; rank++) {
                best = ""
                for (name in count)
                    if (best == "" || count[name] > count[best] || (count[name] == count[best] && name < best)) best = name
                if (best == "") break
                printf "  %2d  %4d  %s\n", rank, count[best], best
                delete count[best]
            }
            for (name in count) delete count[name]
            all = failed = 0
            fflush()
        }
        {
            now = substr($4, 14, 5)
            if (all && now != minute) show()
            minute = now
            all++
            count[$7]++
            if ($9 >= 500) failed++
        }
        END { if (all) show() }'
}

streamcli topics create clicks
: > access.log
mkfifo lines
tail -n +1 -F access.log > lines 2> /dev/null &
tail=$!
streamcli produce clicks < lines &
produce=$!
pids="$tail $produce"

serve >> access.log &
streamcli consume clicks -f -n "$requests" | top_pages || [ $? -eq 141 ] # SIGPIPE: who reads, as head(1), has seen enough

# The server is gone: without tail, produce comes to the end of its input, and exits 0 once all of it is on disk.
kill "$tail"
wait "$produce"
pids=

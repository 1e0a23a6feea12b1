#!/bin/sh
# work-queue.sh: a work queue with retries and dead letters, from the first job to the last, in a temporary directory.
#
# Twelve pictures are to be scaled by three workers. One picture is locked at the first try, so its job is tried again; one is
# broken: after four tries its job is a dead letter, and the others go on. The picture is mended, the dead letter put back,
# and done. worker-pool.sh and dead-letter-replay.sh, beside this, do the work.
# Needs: streamcli and python3 on PATH, POSIX sh, sort and sed. Leaves nothing behind.
set -eu

# A job, which streamcli starts with the picture's name as its input.
if [ "${1-}" = --scale ]; then
    read -r picture
    case $picture in
    broken.*) [ -e mended ] || { echo "$picture: not a JPEG file" >&2; exit 65; } ;;
    locked.*) [ "$STREAMCLI_ATTEMPT" -gt 1 ] || { echo "$picture: locked" >&2; exit 75; } ;;
    esac
    echo "$picture at attempt $STREAMCLI_ATTEMPT" >> scaled
    exit
fi

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export STREAMCLI_DIR="$work/log"
# The pool's settings: it ends when nothing came for a second, and tries again soon.
export IDLE=1s BACKOFF=10ms

streamcli topics create jobs -p 3
for name in anna bert carl dora emil fred gina hugo ida jack broken locked; do
    echo "$name.jpg:$name.jpg"
done | streamcli produce jobs -K :

sh "$here/worker-pool.sh" jobs scale 3 sh "$here/work-queue.sh" --scale 2> failures
echo "scaled: $(sort -u scaled | wc -l | tr -d ' ') of 12; $(grep locked scaled)"
echo "dead letters:"
streamcli consume jobs.failed -F '  %s: %h\n' |
    sed -n 's/^\(  [^:]*\): .*\.status=\([0-9]*\),.*\.attempts=\([0-9]*\),.*/\1: status \2, \3 attempts/p'

touch mended
sh "$here/dead-letter-replay.sh" jobs.failed
sh "$here/worker-pool.sh" jobs scale 3 sh "$here/work-queue.sh" --scale
echo "scaled: $(sort -u scaled | wc -l | tr -d ' ') of 12"

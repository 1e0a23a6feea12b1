#!/bin/sh
# dead-letter-replay.sh DEAD-LETTER-TOPIC: puts dead letters back where they came from, once their cause is mended.
#
#     streamcli consume orders -g billing --dead-letter orders.failed -- ./bill.sh
#     dead-letter-replay.sh orders.failed
#
# Each record goes back to the end of its partition, with its key, value, timestamp and own headers: the headers
# dead-letter.* that say where it came from are taken off. The group `replay` remembers what was put back, so the next
# call takes only what has come since; the dead letters themselves stay in their topic.
# A record that fails again becomes a dead letter again, and can be replayed again.
#
# What holds: every dead letter is put back; twice if this dies between the two, or if one of several topics fails. All
# groups of the topic get it again, not only the one that failed.
#
# Needs: streamcli on PATH, and Python 3 (to edit JSON without a doubt).
set -eu

# Putting back, which streamcli starts with the dead letters as JSON lines. Status 0: all of them are on disk.
if [ "${1-}" = --put-back ]; then
    exec python3 -c '
import json, subprocess, sys

topics = {}
for line in sys.stdin:
    letter = json.loads(line)
    # These headers stand in front of those that the record has of its own; there are eight of them.
    origin, letter["headers"] = dict(letter["headers"][:8]), letter["headers"][8:]
    letter["partition"] = int(origin["dead-letter.partition"])
    topics.setdefault(origin["dead-letter.topic"], []).append(json.dumps(letter) + "\n")
for topic, lines in topics.items():
    produce = ["streamcli", "produce", topic, "--no-create", "--json"]
    subprocess.run(produce, input="".join(lines), encoding="utf-8", check=True)
    print(f"{topic}: {len(lines)} put back")
'
fi

streamcli consume "$1" -g replay --json -- sh "$0" --put-back

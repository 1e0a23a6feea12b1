"""Every way to be refused: a command line, its status, and all that it says. DIR stands for the log directory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.errors.situations import (
    Under,
    as_it_is,
    damaged,
    damaged_commits,
    damaged_config,
    directory_held,
    failing_disk,
    forbidden,
    gone_partition,
    group_alive,
    in_the_way,
    linked,
    lost_commits,
    newer_format,
    no_format,
    no_locks,
    older_log,
    partition_held,
    produced_before,
    small_files,
    somebody_elses,
    unknown_config,
)


class Row(NamedTuple):
    """`words`: the command line, split at spaces; `says`: the line on standard error, without `streamcli: `."""

    words: str
    status: int
    says: str
    situation: Callable[[Path], AbstractContextManager[Under]] = as_it_is
    stdin: bytes = b"x\n"


ROWS = (
    Row(
        "topics create new --replication-factor 2",
        2,
        "a log directory is on one machine, --replication-factor is for Apache Kafka: leave out the option",
    ),
    Row(
        "--url kafka://h:9092 topics create new -c xyz",
        2,
        "bad topic config 'xyz': use NAME=VALUE, as in retention.ms=7d",
    ),
    Row(
        "--url kafka://h:9092 verify",
        2,
        "verify reads the files of a log directory: brokers check their own (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row(
        "--url kafka://h:9092 repair",
        2,
        "repair works on the files of a log directory: brokers mend their own, from their replicas (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row(
        "--url kafka://h:9092 dump t",
        2,
        "dump prints files of a log directory: a broker has kafka-dump-log (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row(
        "--url kafka://h:9092 topics clean",
        2,
        "topics clean cleans files of a log directory: brokers clean their own (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row(
        "--url kafka://h:9092 groups log g",
        2,
        "groups log prints the journal of a log directory: Apache Kafka keeps the newest commit only (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row(
        "--url kafka://h:9092 groups undo g",
        2,
        "groups undo needs the journal of a log directory: Apache Kafka keeps the newest commit only (kafka://h:9092): use it on a log directory, by --dir in place of --url",
    ),
    Row("--url kafka://h topics list", 2, "--url: bad URL 'kafka://h': use kafka://HOST:PORT[,HOST:PORT]"),
    Row(
        "--url nats://h:4222 topics list",
        2,
        "--url: bad URL 'nats://h:4222': use kafka://HOST:PORT, or file:///PATH for a log directory",
    ),
    Row("--url kafka://h:9092 --dir d topics list", 2, "--dir and --url each say where the topics are: leave out one"),
    Row(
        "--url kafka://h:9092 produce t --sync none",
        2,
        "--sync none is for a log directory (a cluster acknowledges what all in-sync replicas have): leave out --sync",
    ),
    Row("-X a=b topics list", 2, "-X and --properties are for Apache Kafka: give its address with --url"),
    Row(
        "--url kafka://h:9092 -X ssl topics list",
        2,
        "-X: no property: use NAME=VALUE, as in security.protocol=ssl",
    ),
    Row(
        "--url kafka://h:9092 --properties nosuch topics list",
        2,
        "the properties file cannot be read (nosuch): No such file or directory: give one with NAME=VALUE a line",
    ),
    Row(
        "--url kafka://h:9092 --properties note.txt topics list",
        2,
        "no property: use NAME=VALUE, as in security.protocol=ssl (note.txt, line 1)",
    ),
    Row(
        "--url kafka://h:9092 --properties latin1.txt topics list",
        2,
        "the properties file is no UTF-8 text (latin1.txt): save it as such",
    ),
    Row("prodcue t", 2, "no such command: prodcue: did you mean produce?"),
    Row("topics lst", 2, "no such command: topics lst: did you mean list?"),
    Row("reset g", 2, "no such command: reset: did you mean groups reset?"),
    Row("--quiet", 2, "a command is missing: see streamcli --help"),
    Row("--dirr x topics list", 2, "no such option before the command: --dirr: did you mean --dir?"),
    Row("--dir", 2, "--dir needs a value: --dir DIR"),
    Row("consume clicks --folow", 2, "no such option: --folow (streamcli consume): did you mean --follow?"),
    Row("consume clicks -n", 2, "-n needs a value: -n N (streamcli consume)"),
    Row("consume clicks --follow=x", 2, "--follow takes no value (streamcli consume)"),
    Row("consume", 2, "TOPIC is missing: streamcli consume [OPTION ...] TOPIC ... [-- COMMAND [ARG ...]]"),
    Row("groups list x", 2, "too many arguments, from 'x' on: streamcli groups list [OPTION ...]"),
    Row("consume clicks -n ten", 2, "-n: bad number 'ten': use digits, as in 10"),
    Row("produce clicks --sync exti", 2, "--sync: bad value 'exti': did you mean exit? use exit, batch, none"),
    Row("produce clicks -z gzp", 2, "-z: bad value 'gzp': did you mean gzip? use none, gzip, zstd, lz4"),
    Row("consume clicks -g g --commit non", 2, "--commit: bad value 'non': did you mean none? use end, none"),
    Row("bench latncy", 2, "no such bench: latncy: did you mean latency? use produce, consume, latency"),
    Row("completion fsh", 2, "no completion for 'fsh': did you mean fish? there is bash, zsh, fish"),
    Row(
        "topics create a/b",
        2,
        "bad topic name 'a/b': use 1 to 249 letters, digits, '.', '_' and '-', and not '.' or '..'",
    ),
    Row(
        "consume clicks -g a/b",
        2,
        "bad group name 'a/b': use 1 to 249 letters, digits, '.', '_' and '-', and not '.' or '..'",
    ),
    Row("topics create new -p 0", 2, "bad number of partitions 0: use 1 to 10000"),
    Row(
        "topics alter clicks -c retension.ms=7d",
        2,
        "no such topic config: retension.ms: did you mean retention.ms? there is cleanup.policy, retention.ms, retention.bytes, delete.retention.ms, min.cleanable.dirty.ratio, segment.bytes, segment.ms, max.message.bytes, message.timestamp.type, compression.type",
    ),
    Row(
        "topics alter clicks -c retention.ms",
        2,
        "bad topic config 'retention.ms': use NAME=VALUE, as in retention.ms=unlimited",
    ),
    Row(
        "topics alter clicks -c retention.ms=7x",
        2,
        "retention.ms: bad duration '7x': use a number and a unit, as in 500ms, 30s, 15m, 2h, 7d",
    ),
    Row(
        "topics alter clicks -c segment.bytes=1Q",
        2,
        "segment.bytes: bad size '1Q': use bytes or a unit, as in 512, 64K, 256M, 1G",
    ),
    Row("topics alter clicks -c segment.bytes=1", 2, "bad segment.bytes 1: use 1024 to 1099511627776"),
    Row(
        "topics alter clicks -c cleanup.policy=compat",
        2,
        "bad cleanup.policy compat: did you mean compact? use delete, compact or compact,delete",
    ),
    Row(
        "topics alter clicks -c min.cleanable.dirty.ratio=half",
        2,
        "min.cleanable.dirty.ratio: bad ratio 'half': use a number from 0 to 1, as in 0.5",
    ),
    Row(
        "topics alter clicks --unset segment.byte",
        2,
        "no such topic config: segment.byte: did you mean segment.bytes? there is cleanup.policy, retention.ms, retention.bytes, delete.retention.ms, min.cleanable.dirty.ratio, segment.bytes, segment.ms, max.message.bytes, message.timestamp.type, compression.type",
    ),
    Row(
        "topics alter clicks -c segment.ms=1d --unset segment.ms",
        2,
        "segment.ms is set and unset at once: leave out one",
    ),
    Row(
        "topics alter clicks -c segment.ms=1d -c segment.ms=2d",
        2,
        "segment.ms is given twice, as 1d and 2d: leave out one",
    ),
    Row(
        "topics alter clicks", 2, "nothing to alter is given: use -p for more partitions, -c NAME=VALUE or --unset NAME"
    ),
    Row(
        "topics alter clicks -p 1",
        2,
        "topic clicks has 3 partitions, and cannot have fewer: the records in the others would be lost; make another topic and copy them",
    ),
    Row(
        "topics create new --retention 7x",
        2,
        "--retention: bad duration '7x': use a number and a unit, as in 500ms, 30s, 15m, 2h, 7d",
    ),
    Row(
        "topics create new --segment-bytes big",
        2,
        "--segment-bytes: bad size 'big': use bytes or a unit, as in 512, 64K, 256M, 1G",
    ),
    Row("topics delete clicks", 2, "topics delete removes all records: add -y to do it without being asked"),
    Row("mirror orders", 2, "mirror needs --to: a log directory, or kafka://HOST:PORT"),
    Row("mirror orders --to d --json", 2, "--json is for --status: add it, or leave out --json"),
    Row(
        "mirror orders --to d --status -f",
        2,
        "--status and --release mirror nothing: leave out -f and --hold, and give one of them",
    ),
    Row(
        "--url kafka://h:9092 mirror orders --to d --hold",
        2,
        "--hold has retention wait in a log directory, and a cluster has its own (kafka://h:9092): leave it out",
    ),
    Row(
        "--url kafka://h:9092 mirror orders --to kafka://i:9092",
        2,
        "kafka://h:9092 and kafka://i:9092 are both clusters, and mirror needs a log directory on one side: use Apache Kafka's "
        "MirrorMaker (connect-mirror-maker.sh), or mirror through a log directory",
    ),
    Row("topics trim clicks", 2, "topics trim needs --before: N, @TIME or end"),
    Row("topics trim clicks --before -3", 2, "--before: bad offset '-3': use N, @TIME or end"),
    Row("topics trim clicks --before edn", 2, "--before: bad offset 'edn': did you mean end? use N, @TIME or end"),
    Row(
        "consume orders -o begining",
        2,
        "-o: bad offset 'begining': did you mean beginning? use beginning, end, N, -N (the last N), @TIME, or START:STOP, as in 10:20, :20, @2h:@1h",
    ),
    Row("consume orders -o 5:2", 2, "-o: bad offset range '5:2': it stops before it starts"),
    Row("consume orders -o 5:-1", 2, "-o: bad offset range '5:-1': it stops at an offset, a @TIME, or end"),
    Row(
        "consume orders --since yesterdy",
        2,
        "--since: bad time 'yesterdy': did you mean yesterday? use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or yesterday",
    ),
    Row(
        "consume orders --until 2026-13-01",
        2,
        "--until: bad time '2026-13-01': use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or yesterday",
    ),
    Row(
        "consume orders -o @x",
        2,
        "-o: bad time 'x': use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or yesterday",
    ),
    Row("consume orders -o 1 --since 1h", 2, "--since and -o both say where to start: leave out one"),
    Row("consume orders -o 1:2 --until 1h", 2, "--until and -o both say where to stop: leave out one"),
    Row("consume orders --idle 1s", 2, "--idle says when following ends: add -f"),
    Row("consume orders --jobs 2", 2, "-j says how a command is run: add -- COMMAND, or leave it out"),
    Row("consume orders --commit none", 2, "--commit is for a group: add -g, or leave it out"),
    Row(
        "consume orders --grep (",
        2,
        "--grep: bad regular expression '(': missing ), unterminated subpattern at position 0: write it as in Python (pydoc re)",
    ),
    Row(
        "consume orders -F %O",
        2,
        "-F: no such field %O: did you mean %o? there is %s %k %t %p %o %T %d %h %S %K and %%",
    ),
    Row("consume orders -F %y", 2, "-F: no such field %y: there is %s %k %t %p %o %T %d %h %S %K and %%"),
    Row("consume orders -F %s --json", 2, "-F, --json and -K each say how a record is printed: leave out all but one"),
    Row("consume orders --json -0", 2, "-F and --json print whole records: leave out -D and -0"),
    Row("consume orders -D \\q", 2, "-D: bad escape \\q in '\\\\q': there is \\n \\t \\r \\0 \\\\ and \\xNN"),
    Row("consume orders -D \\xZZ", 2, "-D: bad escape \\xZZ in '\\\\xZZ': use \\xNN with two hexadecimal digits"),
    Row("consume orders --header x", 2, "--header: bad header 'x': use NAME=VALUE"),
    Row("tail orders -n 1 --since 1h", 2, "-n and --since or --until each say which records: leave out one"),
    Row("tail orders -F %s --json", 2, "-F and --json each say how a record is printed: leave out one"),
    Row(
        "table users --until tody",
        2,
        "--until: bad time 'tody': did you mean today? use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or yesterday",
    ),
    Row("consume orders -g g -p 0", 2, "-g shares all partitions of a topic: leave out -p"),
    Row("consume orders -g g -o :5", 2, "-g reads to the end and goes on there the next time: leave out where to stop"),
    Row("consume orders -g g -j 0 -- cat", 2, "--batch and -j: use 1 or more"),
    Row("consume orders -g g --each --batch 2 -- cat", 2, "--each is one record a run: leave out --batch"),
    Row(
        "consume orders -g g --commit none -- cat", 2, "-- COMMAND commits what it exits 0 for: leave out --commit none"
    ),
    Row("consume orders -- cat", 2, "-- COMMAND needs a group, which says what is done already: add -g"),
    Row(
        "consume orders -g g --dead-letter orders -- cat",
        2,
        "--dead-letter orders is among the topics consumed: name another one",
    ),
    Row(
        "produce orders -D ",
        2,
        "-D: bad delimiter '': it has to be one byte or more; --whole takes all of the input as one record",
    ),
    Row("produce orders -H x", 2, "-H: bad header 'x': use NAME=VALUE"),
    Row("produce orders -H \udcff=x", 2, "-H: bad header name '\\udcff': it has to be UTF-8"),
    Row("produce orders --json -Z", 2, "--json says itself what is null: leave out -Z"),
    Row("produce orders --json -0", 2, "--json takes a JSON object a line: leave out -D, -0, -K and --whole"),
    Row("produce orders --whole -K :", 2, "--whole takes an input as one value: leave out -K, and give a key with -k"),
    Row("produce orders -D x -0", 2, "-D and -0 each say what ends a record: leave out one"),
    Row("produce orders note.txt ./", 2, "a directory, not a file: ./: nothing was read or written"),
    Row("produce orders -k a -K :", 2, "-k gives one key for all, -K takes each from its record: leave out one"),
    Row("produce orders --rate 0", 2, "--rate: use 1 or more"),
    Row("produce orders --producer-id ", 2, "--producer-id: give the input a name"),
    Row(
        "produce orders --growing",
        2,
        "--growing is for inputs of several records that are read again: give --producer-id, and no --whole",
    ),
    Row(
        "--url kafka://h:9092 produce orders --producer-id x",
        2,
        "--producer-id is for a log directory: write to one and mirror that to the cluster, which is exactly once too",
    ),
    Row(
        "produce clicks --producer-id web",
        2,
        "record 3 is not the one that web had there before: one --producer-id is for one input, give another input another; 0 of its records were appended",
        stdin=b"1\n2\n4\n",
        situation=produced_before,
    ),
    Row(
        "produce clicks --producer-id web",
        2,
        "the input ends after 2 records, and web had 3 before: one --producer-id is for one input, give another input another; 0 of its records were appended",
        stdin=b"1\n2\n",
        situation=produced_before,
    ),
    Row("produce orders nosuch.txt", 2, "no such file: nosuch.txt: nothing was read or written"),
    Row(
        "produce users",
        2,
        "no record has a key, and users keeps the newest record of each key (cleanup.policy=compact): give keys with -K, -k or --json; 0 records are durable in users",
    ),
    Row(
        "produce users -Z -K :",
        2,
        "record 2 of standard input: it has no key, and users keeps the newest record of each key (cleanup.policy=compact): give keys with -K, -k or --json; 1 record is durable in users, to go on start at record 2 of the input (tail -n +2)",
        stdin=b"bob:1\n:2\n",
    ),
    Row("groups describe", 2, "groups describe takes a group, or --all"),
    Row("groups reset billing", 2, "groups reset needs --to beginning|end|N|@TIME|current|+N|-N"),
    Row(
        "groups reset billing --to curent",
        2,
        "--to: bad offset 'curent': did you mean current? use beginning, end, current, N, +N, -N or @TIME",
    ),
    Row(
        "groups reset billing --to @tody",
        2,
        "--to: bad time 'tody': did you mean today? use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or yesterday",
    ),
    Row("stats --json --prometheus", 2, "--json and --prometheus each say how it is printed: leave out one"),
    Row("dump note.txt -o 1", 2, "-o and -p choose of a topic, and note.txt is a file: leave them out"),
    Row("bench produce --size 0", 2, "bad --size 0: bench produce takes 1 to 16777216 bytes"),
    Row("bench produce --records 0", 2, "--records and --seconds have to be 1 or more"),
    Row("consume orders --grep DELETE --fail-empty", 3, "nothing to read: orders had no record to print"),
    Row("consume orders -g billing --fail-empty -- cat", 3, "nothing to read: orders had no record to deliver"),
    Row("table users bob", 3, "nothing to read: users has no value for 'bob'"),
    Row("table orders --fail-empty", 3, "nothing to read: orders has no key with a value"),
    Row("consume click", 4, "no such topic: click (in DIR): did you mean clicks? see `streamcli topics list`"),
    Row("verify oders", 4, "no such topic: oders (in DIR): did you mean orders? see `streamcli topics list`"),
    Row("consume klick*", 4, "no topic matches 'klick*' (in DIR): did you mean clicks? see `streamcli topics list`"),
    Row("consume clicks -p 7", 4, "topic clicks has no partition 7: it has partitions 0 to 2: choose with -p"),
    Row(
        "groups describe biling", 4, "no such group: biling (in DIR): did you mean billing? see `streamcli groups list`"
    ),
    Row(
        "--dir nowhere consume clicks",
        4,
        "no such topic: clicks: there is no log directory at nowhere: choose another with --dir or STREAMCLI_DIR",
    ),
    Row("produce new --no-create", 4, "no such topic: new (in DIR): see `streamcli topics list`"),
    Row(
        "produce new -p 3",
        4,
        "topic new is not there yet, and made with 1 would have no partition 3: create it with --partitions",
    ),
    Row(
        "consume orders -o 99",
        5,
        "offset 99 is out of range (orders, partition 0 has offsets 0 to 2): use -o beginning, or choose a partition with -p",
    ),
    Row(
        "topics trim orders --before 99",
        5,
        "offset 99 is after the end of orders, partition 0, which is 3: use --before end, or choose partitions with -p",
    ),
    Row(
        "groups reset billing --to 99",
        5,
        "offset 99 is out of range (orders, partition 0 has 0 to 3): choose one of these, or beginning or end",
    ),
    Row(
        "groups import billing",
        5,
        "offset 99 is out of range (orders, partition 0 ends at 3): nothing was changed; import offsets up to there",
        stdin=b'{"topic":"orders","partition":0,"offset":99}\n',
    ),
    Row(
        "consume orders -g billing",
        5,
        "the committed offset 4 is after the end of the log (orders, partition 0 ends at 3): records were lost, or the topic was made anew; choose where to go on with `streamcli groups reset billing orders --to end`",
        situation=older_log,
    ),
    Row(
        "consume orders",
        6,
        "corrupt data: the batch body fails its checksum (DIR/topics/orders/0/00000000000000000000.log, position 0, 107 bytes, offsets 0 to 2): `streamcli verify` finds all damage, `streamcli repair` gives it up; --skip-corrupt reads past it",
        situation=damaged,
    ),
    Row(
        "consume orders -g billing",
        6,
        "the group's commits are damaged (DIR/groups/billing/commits, line 2): nothing is consumed, so that nothing is repeated or passed by; `streamcli repair` goes on from the other lines, keeping a copy; or delete the group and import its offsets",
        situation=damaged_commits,
    ),
    Row(
        "groups describe billing",
        6,
        "the group's commits are gone (DIR/groups/billing/commits): nothing is consumed, so that nothing is repeated or passed by; put the file back, or delete the group and import its offsets",
        situation=lost_commits,
    ),
    Row(
        "produce orders --lock-timeout 50ms",
        7,
        "partition busy: DIR/topics/orders/0/lock was not had in 0.05 s: another process holds it; see who with fuser, or wait longer with --lock-timeout; 0 records are durable in orders",
        situation=partition_held,
    ),
    Row(
        "topics create new --lock-timeout 50ms",
        7,
        "log directory busy: DIR/lock was not had in 0.05 s: wait longer with --lock-timeout",
        situation=directory_held,
    ),
    Row(
        "groups reset billing --to end",
        7,
        "group billing has members alive: MEMBER: stop them before `groups reset`",
        situation=group_alive,
    ),
    Row(
        "groups wait late --timeout 10ms",
        7,
        "group late still has a lag of 2 records (in DIR): wait longer with --timeout",
    ),
    Row(
        "topics list",
        1,
        "the log directory has format 9, this streamcli reads 1 (DIR/format.json): upgrade streamcli",
        situation=newer_format,
    ),
    Row(
        "topics list",
        1,
        "DIR/format.json does not say which format the directory has: restore it from a copy",
        situation=no_format,
    ),
    Row(
        "consume orders",
        1,
        "the topic's config is damaged (DIR/topics/orders/config.json): 'partitions': restore it from a copy",
        situation=damaged_config,
    ),
    Row(
        "consume orders",
        1,
        "the topic's config is damaged (DIR/topics/orders/config.json): no such topic config: retension.ms: did you mean retention.ms? there is cleanup.policy, retention.ms, retention.bytes, delete.retention.ms, min.cleanable.dirty.ratio, segment.bytes, segment.ms, max.message.bytes, message.timestamp.type, compression.type: restore it from a copy",
        situation=unknown_config,
    ),
    Row(
        "topics list",
        1,
        "DIR is not a log directory and not empty (it holds 'groups'): choose another with --dir or STREAMCLI_DIR",
        situation=somebody_elses,
    ),
    Row("--dir note.txt topics list", 1, "note.txt is not a directory: choose another with --dir or STREAMCLI_DIR"),
    Row(
        "consume clicks",
        1,
        "a symbolic link, and none is followed inside a log directory (DIR/topics/clicks): remove it, or put there what it points at: see streamcli-sharing(7)",
        situation=linked,
    ),
    Row(
        "topics create new", 1, "DIR/topics/new is in the way, and is no topic: move it elsewhere", situation=in_the_way
    ),
    Row(
        "produce orders",
        1,
        "locks do not work on this file system (DIR/topics/orders/0/lock: No locks available): put the log directory on a local disk (--dir); 0 records are durable in orders",
        situation=no_locks,
    ),
    Row(
        "consume orders",
        1,
        "Permission denied (DIR/topics/orders/0/00000000000000000000.log): ask its owner, or choose another log directory with --dir or STREAMCLI_DIR",
        situation=forbidden,
    ),
    Row(
        "topics create clicks",
        1,
        "topic clicks exists already (DIR/topics/clicks): use --if-not-exists if that is all right",
    ),
    Row(
        "groups import billing",
        1,
        'line 1 of standard input is not {"topic":...,"partition":...,"offset":...}: nothing was changed; give it what `groups export` printed',
    ),
    Row(
        "groups import billing",
        1,
        'line 1 of standard input is not {"topic":...,"partition":...,"offset":...}: nothing was changed; give it what `groups export` printed',
        stdin=b"nonsense\n",
    ),
    Row(
        "consume orders -g g --retries 0 -- false",
        1,
        "false failed once (orders, partition 0, offsets 0 to 2): status 1: nothing of it is committed; mend it and run again, or use --dead-letter",
    ),
    Row(
        "consume orders -g g -- nosuchcommand",
        1,
        "cannot run 'nosuchcommand': No such file or directory: its records are not committed; mend it and run again",
    ),
    Row(
        "produce orders",
        4,
        "the partition's directory is gone (DIR/topics/orders/0): was the topic deleted? see `streamcli topics list`; 0 records are durable in orders",
        situation=gone_partition,
    ),
    Row(
        "produce orders --json",
        8,
        "record 2 of standard input: not JSON: Expecting value: line 1 column 1 (char 0); 1 record is durable in orders, to go on start at record 2 of the input (tail -n +2)",
        stdin=b'{"value":"a"}\nnonsense\n',
    ),
    Row(
        "produce orders --json bad.jsonl",
        8,
        'record 2 of bad.jsonl: "value" is neither a string nor null: encode it as a string (jq: tojson); 1 record is durable in orders, to go on start at record 2 of the input (tail -n +2)',
    ),
    Row(
        "produce orders --sync batch",
        8,
        "File too large (DIR/topics/orders/0/00000000000000000000.log): raise the limit with ulimit -f, then go on; 0 records are durable in orders, to go on start at record 1 of the input (tail -n +1)",
        situation=small_files,
        stdin=b"x\n" * 100_000,
    ),
    Row(
        "produce orders",
        8,
        "Input/output error (DIR/topics/orders/0/00000000000000000000.log): the disk fails, as dmesg may tell: save the log directory elsewhere, then `streamcli verify` it; 0 records are durable in orders, to go on start at record 1 of the input (tail -n +1)",
        situation=failing_disk,
    ),
    Row("top", 2, "top draws on a terminal, and this is none: use --once for a table, or --json for lines"),
    Row("top --once --interval 1ms", 2, "--interval: use 100ms or more"),
)

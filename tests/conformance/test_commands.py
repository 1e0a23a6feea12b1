"""consume -g -- COMMAND: what the command gets, and what is committed of it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command import finish, ok, refused, run, started
from tests.support.deliveries import NOTE, Run, committed, deliver, numbers, placed, runs
from tests.support.waiting import wait_until


def test_records_are_committed_when_the_command_ends_with_0(t: str, g: str) -> None:
    ok("produce", t, "-K", ":", stdin=b"a:1\nb:2\n")
    assert ok("consume", t, "-g", g, "-F", "%o %k=%s;", "--", "cat") == b"0 a=1;1 b=2;"
    assert committed(g) == {0: 2}
    assert deliver(t, "-g", g, script=NOTE) == (0, b"", "")
    assert runs() == []
    assert "nothing to read" in refused(3, "consume", t, "-g", g, "--fail-empty", "--", "cat")


def test_the_command_is_told_where_its_records_lie(t: str, g: str) -> None:
    placed(t, [2, 3])
    assert deliver(t, "-g", g, script=NOTE) == (0, b"", "")
    assert sorted(runs()) == [Run(t, 0, 0, 1, 1), Run(t, 1, 0, 2, 1)]


def test_a_record_a_run_has_its_key(t: str, g: str) -> None:
    ok("produce", t, "-K", ":", stdin=b"none\n:empty\nk:1\n\xff:2\n")
    result = deliver(t, "-g", g, "--each", script='printf "%s|" "${STREAMCLI_KEY-none}"; cat')
    assert result == (0, b"none|none\n|empty\nk|1\n\xff|2\n", "")


def test_batches_counts_and_what_is_left(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 9))
    assert deliver(t, "-g", g, "--batch", "3", "-n", "7", script=NOTE + "cat") == (0, numbers(0, 7), "")
    assert [(noted.first, noted.last) for noted in runs()] == [(0, 2), (3, 5), (6, 6)]
    assert committed(g) == {0: 7}
    assert ok("consume", t, "-g", g, "--grep", "8", "--", "cat") == b"8\n"
    assert committed(g) == {0: 9}


def test_a_failed_run_is_tried_again(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(1, 3))
    script = NOTE + 'cat; [ "$STREAMCLI_ATTEMPT" = 3 ]'
    result = deliver(t, "-g", g, "--backoff", "1ms", script=script)
    assert (result.status, result.out) == (0, numbers(1, 3) * 3)
    assert [noted.attempt for noted in runs()] == [1, 2, 3]
    assert f"sh failed ({t}, partition 0, offsets 0 to 1): status 1: again in 0.001 s" in result.err
    assert committed(g) == {0: 2}


def test_a_run_that_fails_for_good_stops_and_what_was_done_stays_done(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 9))
    script = NOTE + '[ "$STREAMCLI_OFFSET" -lt 6 ]'
    result = deliver(t, "-g", g, "--batch", "3", "--retries", "1", "--backoff", "1ms", script=script)
    assert result.status == 1
    assert f"sh failed 2 times ({t}, partition 0, offsets 6 to 8): status 1" in result.err.splitlines()[-1]
    assert committed(g) == {0: 6}
    assert ok("consume", t, "-g", g, "--", "cat") == numbers(6, 9)


def test_dead_letters_keep_what_the_records_had_and_say_where_they_came_from(t: str, g: str) -> None:
    ok("topics", "create", t, "-p", "3")
    line = {"partition": 2, "timestamp": 1_700_000_000_123, "key": "k", "value_b64": "/wA=", "headers": [["a", None]]}
    ok("produce", t, "--json", stdin=json.dumps(line).encode())
    script = "echo why >&2; exit 9"
    result = deliver(t, "-g", g, "--retries", "0", "--dead-letter", f"{t}-dead", script=script)
    assert result.status == 0
    (letter,) = [json.loads(row) for row in ok("consume", f"{t}-dead", "--json").splitlines()]
    assert {name: letter[name] for name in ("timestamp", "key", "value_b64")} == {
        name: line[name] for name in ("timestamp", "key", "value_b64")
    }
    assert letter["headers"] == [
        ["dead-letter.topic", t],
        ["dead-letter.partition", "2"],
        ["dead-letter.group", g],
        ["dead-letter.status", "9"],
        ["dead-letter.reason", "status 9"],
        ["dead-letter.attempts", "1"],
        ["dead-letter.stderr", "why\n"],
        ["dead-letter.offset", "0"],
        ["a", None],
    ]
    assert committed(g) == {2: 1}


def test_the_run_goes_on_beside_dead_letters(t: str, g: str) -> None:
    ok("produce", t, stdin=numbers(0, 10))
    options = ("--each", "--retries", "0", "--dead-letter", f"{t}-dead")
    result = deliver(t, "-g", g, *options, script='grep -v "[37]"')
    assert (result.status, result.out) == (0, b"0\n1\n2\n4\n5\n6\n8\n9\n")
    assert ok("consume", f"{t}-dead") == b"3\n7\n"
    assert committed(g) == {0: 10}


def test_partitions_run_at_once(t: str, g: str) -> None:
    placed(t, [4, 4])
    script = 'touch "here.$STREAMCLI_PARTITION"; until [ -e here.0 ] && [ -e here.1 ]; do sleep 0.01; done; cat'
    result = deliver(t, "-g", g, "-j", "2", "--batch", "2", script=script)
    assert (result.status, sorted(result.lines())) == (0, sorted(numbers(0, 4).split() * 2))
    assert committed(g) == {0: 4, 1: 4}


def test_what_comes_while_a_command_runs_is_delivered_next(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    script = "case $STREAMCLI_OFFSET in 0) touch at-work; until [ -e go ]; do sleep 0.01; done;; esac; cat"
    with started("consume", t, "-g", g, "-f", "-n", "3", "--", "sh", "-c", script) as consumer:
        wait_until(Path("at-work").exists, "the first run")
        ok("produce", t, stdin=b"2\n3\n")
        Path("go").touch()
        assert finish(consumer) == (0, b"1\n2\n3\n", "")
    assert committed(g) == {0: 3}


def test_killed_at_work_it_is_delivered_again(t: str, g: str, mortal: tuple[str, ...]) -> None:
    ok("produce", t, stdin=numbers(0, 4))
    script = '[ "$STREAMCLI_OFFSET" -lt 2 ] || { touch at-work; until [ -e go ]; do sleep 0.01; done; }'
    with started("consume", t, "-g", g, *mortal, "--batch", "2", "--", "sh", "-c", script) as consumer:
        wait_until(Path("at-work").exists, "the second run")
        consumer.kill()
        consumer.wait()
    Path("go").touch()  # in a log directory the partition is free when its command has ended too
    with started("consume", t, "-g", g, "-f", "-n", "2", "--", "cat") as consumer:
        assert finish(consumer) == (0, numbers(2, 4), "")
    assert committed(g) == {0: 4}


def test_what_makes_no_sense_is_refused(t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    for words, reason in {
        ("-g", g, "--commit", "none"): "--commit none",
        ("-g", g, "--each", "--batch", "2"): "--each",
        ("-g", g, "--dead-letter", t): "among the topics",
    }.items():
        assert reason in refused(2, "consume", t, *words, "--", "cat")
    assert "no-such-command" in run("consume", t, "-g", g, "--", "no-such-command").err

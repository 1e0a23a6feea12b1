"""consume -g -- COMMAND --dead-letter: records whose run failed for good, with what is needed to put them back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.support.command import finish, ok, refused, run, started
from tests.support.deliveries import committed, deliver, numbers, placed
from tests.support.restricted import restricted
from tests.support.waiting import wait_until

QUICK = ("--backoff", "1ms")


def envelopes(topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ok("consume", topic, "--json").splitlines()]


def headers(letter: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in letter["headers"]]


def test_a_record_keeps_what_it_had_and_says_where_it_came_from():
    ok("topics", "create", "t", "-p", "3")
    line = {
        "partition": 2,
        "timestamp": 1234567890123,
        "key": "k",
        "value_b64": "/wA=",
        "headers": [["a", "1"], ["a", None]],
    }
    ok("produce", "t", "--json", stdin=json.dumps(line).encode())
    script = "echo why >&2; exit 9"
    result = deliver("t", "-g", "g", "--retries", "1", *QUICK, "--dead-letter", "dead", script=script)
    assert result.status == 0
    assert "sh failed 2 times (t, partition 2, offset 0): status 9: its records are in dead" in result.err
    (letter,) = envelopes("dead")
    assert (letter["timestamp"], letter["key"], letter["value_b64"]) == (1234567890123, "k", "/wA=")
    assert headers(letter) == [
        ("dead-letter.topic", "t"),
        ("dead-letter.partition", "2"),
        ("dead-letter.group", "g"),
        ("dead-letter.status", "9"),
        ("dead-letter.reason", "status 9"),
        ("dead-letter.attempts", "2"),
        ("dead-letter.stderr", "why\n"),
        ("dead-letter.offset", "0"),
        ("a", "1"),
        ("a", None),
    ]
    assert committed("g") == {2: 1}


def test_each_record_of_a_run_has_its_own_offset_key_and_time():
    ok("produce", "t", "-K", ":", stdin=b"a:0\nb:1\n")
    ok("produce", "t", "--json", stdin=b'{"key":"","value":"2","timestamp":5}\n{"key":"c","value":null}\n')
    before = [(row["offset"], row["timestamp"], row["key"], row["value"]) for row in envelopes("t")]
    assert deliver("t", "-g", "g", "--retries", "0", "--dead-letter", "dead", script="exit 1").status == 0
    letters = envelopes("dead")
    found = [
        (int(dict(headers(row))["dead-letter.offset"]), row["timestamp"], row["key"], row["value"]) for row in letters
    ]
    assert found == before


def test_the_run_goes_on_and_only_what_failed_is_there():
    ok("produce", "t", stdin=numbers(0, 10))
    options = ("--each", "--retries", "0", "--dead-letter", "dead")
    result = deliver("t", "-g", "g", *options, script='grep -v "[37]"')
    assert (result.status, result.out) == (0, b"0\n1\n2\n4\n5\n6\n8\n9\n")
    assert ok("consume", "dead") == b"3\n7\n"
    assert committed("g") == {0: 10}


def test_only_the_wanted_records_of_a_run_are_dead_letters():
    ok("produce", "t", stdin=numbers(0, 10))
    deliver("t", "-g", "g", "--grep", "[37]", "--retries", "0", "--dead-letter", "dead", script="exit 1")
    assert ok("consume", "dead") == b"3\n7\n"
    assert committed("g") == {0: 10}


def test_the_end_of_standard_error_is_kept_whatever_its_bytes_are():
    ok("produce", "t", stdin=b"1\n")
    script = "head -c 100000 /dev/zero | tr '\\0' x >&2; printf 'end \\377' >&2; exit 1"
    deliver("t", "-g", "g", "--retries", "0", "--dead-letter", "dead", script=script)
    said = base64.b64decode(dict(headers(envelopes("dead")[0]))["dead-letter.stderr"]["b64"])
    assert said == b"x" * 4091 + b"end \xff"


def test_a_timeout_is_told_as_such():
    ok("produce", "t", stdin=b"1\n")
    options = ("--retries", "0", "--timeout", "100ms", "--dead-letter", "dead")
    assert deliver("t", "-g", "g", *options, script="exec sleep 1000").status == 0
    told = dict(headers(envelopes("dead")[0]))
    assert (told["dead-letter.status"], told["dead-letter.reason"]) == ("124", "no end after 0.1 s")


def test_the_topic_is_there_from_the_start_and_may_be_there_before():
    ok("produce", "t", stdin=b"1\n")
    assert ok("consume", "t", "-g", "g", "--dead-letter", "dead", "--", "cat") == b"1\n"
    assert ok("topics", "list") == b"dead\nt\n"
    ok("topics", "create", "wide", "-p", "4")
    ok("consume", "t", "-g", "other", "--dead-letter", "wide", "--", "cat")
    assert b'"partition":3' in ok("topics", "describe", "wide", "--json")


def test_a_dead_letter_that_cannot_be_kept_is_not_committed():
    ok("produce", "t", stdin=b"x" * 1000 + b"\n")
    ok("produce", "dead", stdin=b"y" * 2900 + b"\n")
    words = ("consume", "t", "-g", "g", "--retries", "0", "--dead-letter", "dead", "--", "false")
    result = run(*words, under=restricted("file-size=3100"))
    assert result.status == 1
    assert "File too large" in result.err
    assert committed("g") == {}
    assert ok("consume", "dead") == b"y" * 2900 + b"\n"


def test_dead_letters_of_dead_letters_keep_both_origins():
    ok("produce", "t", stdin=b"1\n")
    deliver("t", "-g", "g", "--retries", "0", "--dead-letter", "dead", script="exit 1")
    deliver("dead", "-g", "g", "--retries", "0", "--dead-letter", "dead.again", script="exit 2")
    topics = [value for name, value in headers(envelopes("dead.again")[0]) if name == "dead-letter.topic"]
    assert topics == ["dead", "t"]


def test_while_one_partition_waits_for_its_retry_the_others_go_on():
    placed("t", [1, 3])
    script = '[ "$STREAMCLI_PARTITION" = 1 ] || [ -e go ] || exit 1; cat >> got'
    options = ("-f", "-n", "4", "--each", "--backoff", "300ms", "--retries", "1000")
    with started("consume", "t", "-g", "g", *options, "--", "sh", "-c", script) as consumer:
        wait_until(lambda: Path("got").exists() and Path("got").read_bytes() == b"0\n1\n2\n", "the other partition")
        Path("go").touch()
        assert finish(consumer).status == 0
    assert Path("got").read_bytes() == b"0\n1\n2\n0\n"


def test_killed_at_any_moment_nothing_is_lost():
    ok("produce", "t", stdin=numbers(0, 200))
    ok("topics", "create", "dead")
    words = ("consume", "t", "-g", "g", "--each", "--retries", "0", "--dead-letter", "dead", "--", "false")
    for kills in range(3):
        with started(*words) as consumer:
            wait_until(lambda least=2 * kills: len(ok("consume", "dead").splitlines()) > least, "more dead letters")
            consumer.kill()
    kept = [int(line) for line in ok("consume", "dead").split()]
    assert set(range(committed("g").get(0, 0))) <= set(kept)
    assert len(kept) - len(set(kept)) <= 3


def test_a_dead_letter_topic_among_those_consumed_is_refused():
    ok("produce", "t", stdin=b"1\n")
    refused(2, "consume", "*", "-g", "g", "--dead-letter", "dead", "--", "cat")
    assert ok("topics", "list") == b"t\n"

"""From where to where consume reads, of one partition and of several."""

from __future__ import annotations

import signal

from tests.conformance.records import T0, a_second_apart, at_once, one_by_one, values
from tests.support.command import finish, ok, refused, started
from tests.support.waiting import read_until

OF_TEN = {
    "beginning": "0123456789",
    "end": "",
    "3": "3456789",
    "10": "",
    "-4": "6789",
    "-11": "0123456789",
    "-0": "",
    "2:5": "234",
    "5:5": "",
    ":3": "012",
    "7:": "789",
    "2:999": "23456789",
    "8:end": "89",
    "-3:9": "78",
    f"@{T0 + 3000}": "3456789",
    f"@{T0 + 3001}": "456789",
    f"@{T0 + 9001}": "",
    f"@{T0 + 2000}:@{T0 + 4001}": "234",
    f":@{T0 + 2000}": "01",
    f"2:@{T0 + 4000}": "23",
    "@2023-11-14T22:13:25Z:@2023-11-14T22:13:27Z": "56",
    "@1h": "",
}
OF_NINE_ON_THREE = {
    (): "012345678",
    ("-o", "-4"): "5678",
    ("-o", "1:2"): "345",
    ("-o", f"@{T0 + 4000}:@{T0 + 6000}"): "45",
    ("-p", "2", "-p", "1"): "124578",
    ("-p", "0", "-o", "-2"): "36",
    ("-n", "4"): "0123",
}


def test_every_form_of_an_offset(t: str) -> None:
    for numbers in (range(4), range(4, 5), range(5, 10)):  # batches
        a_second_apart(t, numbers)
    assert at_once(lambda form: values(t, "-o", form), OF_TEN) == OF_TEN


def test_shorthands_and_counts(t: str) -> None:
    a_second_apart(t, range(10))
    assert values(t, "--since", f"@{T0 + 1000}", "--until", f"@{T0 + 3000}") == "12"
    assert values(t, "-n5", "-o3") == "34567"
    assert values(t, "-n", "0") == ""
    assert values(t, "-n", "99") == "0123456789"


def test_several_partitions_are_merged_by_time(t: str) -> None:
    one_by_one(t, range(9), 3)
    assert at_once(lambda flags: values(t, *flags), OF_NINE_ON_THREE) == OF_NINE_ON_THREE


def test_an_offset_out_of_range(t: str) -> None:
    a_second_apart(t, range(10))
    assert "has offsets 0 to 9" in refused(5, "consume", t, "-o", "11")
    assert "offset 999" in refused(5, "consume", t, "-o", "999:1000")


def test_a_bad_offset_is_refused(t: str) -> None:
    for offset in ("x", "5:2", "@x"):
        refused(2, "consume", t, "-o", offset)


def test_what_is_not_there(t: str) -> None:
    ok("topics", "create", t)
    assert f"no such topic: {t}-x" in refused(4, "consume", t, f"{t}-x")
    assert f"{t}-none*" in refused(4, "consume", f"{t}-none*")
    assert "partition 3" in refused(4, "consume", t, "-p", "0", "-p", "3")


def test_several_topics_and_globs(t: str) -> None:
    ok("produce", f"{t}-b", stdin=b"b\n")
    ok("produce", f"{t}-a", stdin=b"a\n")
    ok("produce", f"{t}x", stdin=b"x\n")
    assert values(f"{t}-*") == "ba"
    assert values(f"{t}x", f"{t}-?", f"{t}-a") == "bax"


def test_fail_empty(t: str) -> None:
    ok("topics", "create", t)
    assert ok("consume", t) == b""
    assert "nothing to read" in refused(3, "consume", t, "--fail-empty")
    ok("produce", t, stdin=b"x\n")
    assert ok("consume", t, "--fail-empty") == b"x\n"
    refused(3, "consume", t, "--fail-empty", "-o", "end")


def test_the_last_n_cut_through_a_large_batch(t: str) -> None:
    lines = b"".join(b"%d\n" % number for number in range(1000))
    ok("produce", t, stdin=lines)
    assert ok("consume", t, "-o", "-7") == b"".join(b"%d\n" % number for number in range(993, 1000))
    assert ok("consume", t, "-o", "500:502") == b"500\n501\n"


def test_the_end_is_pinned_while_another_produces(t: str) -> None:
    """consume into a full pipe stands still; what is appended meanwhile is not printed."""
    line = b"x" * 99 + b"\n"
    ok("produce", t, stdin=line * 30_000)
    with started("consume", t) as consumer:
        begun = read_until(consumer.stdout, lambda found: len(found) > 0)
        consumer.send_signal(signal.SIGSTOP)
        ok("produce", t, stdin=b"late\n" * 10)
        consumer.send_signal(signal.SIGCONT)
        rest = finish(consumer)
    assert (rest.status, rest.err, begun + rest.out) == (0, "", line * 30_000)
    assert ok("consume", t, "-o", "30000") == b"late\n" * 10


def test_a_reader_that_leaves_ends_it_quietly(t: str) -> None:
    ok("produce", t, stdin=b"line\n" * 100_000)
    with started("consume", t) as consumer:
        read_until(consumer.stdout, lambda found: len(found) > 0)
        consumer.stdout.close()
        consumer.stdout = None
        assert finish(consumer) == (0, b"", "")

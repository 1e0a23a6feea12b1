"""table: rows, single keys, shapes and statuses."""

from __future__ import annotations

import json

from tests.conformance.records import T0, at_once
from tests.support.command import ok, refused, run

USERS = [("ann", "1"), ("bob", "2"), ("ann", "3"), ("cy", ""), ("eve", "5"), ("bob", None), (None, "no key")]


def users(topic: str) -> None:
    lines = "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in USERS)
    ok("produce", topic, "--json", stdin=lines.encode())


def stamped(key: str, value: str, time: int) -> bytes:
    return b'{"key":"%s","value":"%s","timestamp":%d}\n' % (key.encode(), value.encode(), time)


SHAPES = {
    (): b"ann\t3\ncy\t\neve\t5\n",
    ("-K", "="): b"ann=3\ncy=\neve=5\n",
    ("-0",): b"ann\t3\0cy\t\0eve\t5\0",
    ("-D", "|"): b"ann\t3|cy\t|eve\t5|",
    ("-F", r"%o %k %s\n"): b"2 ann 3\n3 cy \n4 eve 5\n",
    ("ann",): b"3\n",
    ("eve", "ann", "eve"): b"5\n3\n5\n",
    ("eve", "ann", "-K", ":"): b"eve:5\nann:3\n",
    ("-p", "0", "cy"): b"\n",
    (r"\x61nn",): b"3\n",
}


def test_shapes(t: str) -> None:
    users(t)
    assert at_once(lambda words: ok("table", t, *words), SHAPES) == SHAPES


def test_json_is_consumes_and_a_key_without_a_value_is_status_3_after_the_others(t: str) -> None:
    users(t)
    rows = [json.loads(line) for line in ok("table", t, "--json").splitlines()]
    every = [json.loads(line) for line in ok("consume", t, "--json").splitlines()]
    assert rows == [every[2], every[3], every[4]]
    assert json.loads(ok("table", t, "ann", "--json")) == every[2]
    for key in ("bob", ""):
        assert refused(3, "table", t, key) == f"streamcli: nothing to read: {t} has no value for {key!r}"
    result = run("table", t, "nobody", "ann", "bob")
    assert (result.status, result.out) == (3, b"3\n")
    assert result.err == f"streamcli: nothing to read: {t} has no value for 'nobody', 'bob'\n"


def test_an_empty_table_and_none(t: str) -> None:
    ok("topics", "create", t, "-p", "2")
    assert ok("table", t) == b""
    refused(3, "table", t, "--fail-empty")
    refused(3, "table", t, "ann")
    assert f"no such topic: {t}-no" in refused(4, "table", f"{t}-no")
    assert "has no partition 2" in refused(4, "table", t, "-p", "2")
    assert "bad topic name" in refused(2, "table", f"{t}*")


def test_as_it_was_at_a_time(t: str) -> None:
    ok("produce", t, "--json", stdin=b"".join(stamped("k", str(n), T0 + n * 1000) for n in (1, 2, 3)))
    values = {
        (until, key): value for until, value in ((2000, b"1"), (2001, b"2"), (9000, b"3")) for key in ((), ("k",))
    }
    found = at_once(lambda asked: ok("table", t, *asked[1], "-F", "%s", "--until", f"@{T0 + asked[0]}"), values)
    assert found == values
    refused(3, "table", t, "k", "--until", f"@{T0 + 1000}")


def test_keys_and_values_of_any_bytes(t: str) -> None:
    ok("produce", t, "--whole", "-k", r"a\nb", stdin=b"two\nlines")
    ok("produce", t, "--whole", "-k", r"\xff", stdin=b"\0\xfe")
    long_key = "k" * 40
    ok("produce", t, "-k", long_key, stdin=b"old\nnew\n")
    assert ok("table", t, "-0", "-K", "=") == b"a\nb=two\nlines\0\xff=\0\xfe\0" + long_key.encode() + b"=new\0"
    assert ok("table", t, r"a\nb", "-D", "") == b"two\nlines"
    assert ok("table", t, b"\xff".decode(errors="surrogateescape"), long_key, "-D", ",") == b"\0\xfe,new,"


def test_a_key_put_elsewhere_by_hand_counts_by_its_time(t: str) -> None:
    ok("topics", "create", t, "-p", "4")
    home = stamped("ann", "home", T0)
    at_home = int(ok("produce", t, "--json", "--offsets", stdin=home).split()[0])
    elsewhere = str((at_home + 1) % 4)
    for newer, time, value in (("earlier", T0 - 1, b"home"), ("as late", T0, b"home"), ("later", T0 + 1, b"later")):
        ok("produce", t, "--json", "-p", elsewhere, stdin=stamped("ann", newer, time))
        assert ok("table", t) == b"ann\t" + value + b"\n"
        assert ok("table", t, "ann") == value + b"\n"
    assert ok("table", t, "-p", str(at_home)) == b"ann\thome\n"
    assert ok("table", t, "-p", elsewhere, "ann") == b"later\n"


def test_a_key_that_moved_to_a_new_partition(t: str) -> None:
    keys = [b"key-%d" % number for number in range(9)]
    ok("produce", t, "-K", ":", "--partitions", "2", stdin=b"".join(key + b":old\n" for key in keys))
    ok("topics", "alter", t, "-p", "5")
    ok("produce", t, "-K", ":", "-Z", stdin=b"".join(key + b":new\n" for key in keys[:6]) + b"key-6:\n")
    rows = sorted(ok("table", t, "-K", ":").splitlines())
    assert rows == [key + (b":new" if key in keys[:6] else b":old") for key in keys if key != b"key-6"]
    assert ok("table", t, "key-1", "key-5", "key-8") == b"new\nnew\nold\n"
    refused(3, "table", t, "key-6")


def test_rows_come_in_the_order_of_consume_and_those_that_were_trimmed_do_not(t: str) -> None:
    lines = [b'{"key":"%d","value":"%d","timestamp":%d}\n' % (n * 7 % 50, n, T0 + n) for n in range(1000)]
    ok("produce", t, "--json", "--partitions", "3", "-z", "gzip", stdin=b"".join(lines))
    rows = ok("table", t, "-F", r"%k %s\n")
    newest = dict(line.split() for line in ok("consume", t, "-F", r"%k %s\n").splitlines())
    assert rows == ok("consume", t, "-o", f"@{T0 + 950}", "-F", r"%k %s\n")
    assert dict(line.split() for line in rows.splitlines()) == newest
    ok("topics", "trim", t, "--before", f"@{T0 + 990}")
    assert sorted(map(int, ok("table", t, "-F", r"%s\n").split())) == list(range(990, 1000))
    assert ok("table", t, f"{993 * 7 % 50}") == b"993\n"
    refused(3, "table", t, f"{950 * 7 % 50}")

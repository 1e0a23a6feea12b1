"""How consume prints records, and which of them."""

from __future__ import annotations

import json

from tests.conformance.records import T0, at_once
from tests.support.command import ok, refused, run

RECORDS = [
    {"timestamp": T0, "key": "ann", "value": "login", "headers": [["host", "a"], ["n", "1"]]},
    {"timestamp": T0 + 1500, "key": "bob", "value": None, "headers": [["host", "b"]]},
    {"timestamp": T0 + 2000, "key": None, "value": "logout\nlater", "headers": []},
    {"timestamp": T0 + 2000, "key": "", "value": "", "headers": [["host", "a"]]},
    {"timestamp": T0 + 3000, "key": "ann", "value_b64": "/wBs", "headers": []},
]


def produced(topic: str) -> None:
    ok("produce", topic, "--json", stdin="".join(json.dumps(record) + "\n" for record in RECORDS).encode())


def test_formats(t: str) -> None:
    produced(t)
    assert ok("consume", t, "-F", "%t %p %o %T %k=%s|") == b"".join(
        f"{t} 0 {offset} ".encode() + rest + b"|"
        for offset, rest in enumerate(
            [
                b"%d ann=login" % T0,
                b"%d bob=" % (T0 + 1500),
                b"%d =logout\nlater" % (T0 + 2000),
                b"%d =" % (T0 + 2000),
                b"%d ann=\xff\0l" % (T0 + 3000),
            ]
        )
    )
    assert ok("consume", t, "-F", "%d %K %S %h%%\\n", "-n", "2") == (
        b"2023-11-14T22:13:20.000Z 3 5 host=a,n=1%\n2023-11-14T22:13:21.500Z 3 -1 host=b%\n"
    )


def test_delimiters_and_keys(t: str) -> None:
    produced(t)
    assert ok("consume", t, "-K", "\\t", "-0") == b"ann\tlogin\0bob\t\0\tlogout\nlater\0\t\0ann\t\xff\0l\0"
    assert ok("consume", t, "-D", " | ", "-n", "1") == b"login | "


def test_json(t: str) -> None:
    produced(t)
    rows = [json.loads(line) for line in ok("consume", t, "--json").splitlines()]
    assert rows == [{"topic": t, "partition": 0, "offset": offset, **record} for offset, record in enumerate(RECORDS)]


FILTERED = {
    ("--grep", "^log"): b"0 2 ",
    ("--grep", "\\xff"): b"4 ",
    ("--key", "ann"): b"0 4 ",
    ("--key", ""): b"3 ",
    ("--header", "host=a"): b"0 3 ",
    ("--header", "host=a", "--grep", "log", "--key", "ann"): b"0 ",
    ("--grep", "log", "-n", "1", "-o", "1"): b"2 ",
}
"""The offsets of the records that pass."""


def test_filters(t: str) -> None:
    produced(t)
    assert at_once(lambda flags: ok("consume", t, "-F", "%o ", *flags), FILTERED) == FILTERED
    refused(3, "consume", t, "--grep", "nothing", "--fail-empty")
    refused(2, "consume", t, "--grep", "(")


def test_a_full_standard_output_is_named(t: str) -> None:
    ok("produce", t, stdin=b"line of some length\n" * 5000)
    result = run("consume", t, under=["sh", "-c", 'exec "$@" > /dev/full', "sh"])
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert "No space left on device (standard output): " in result.err


def test_what_contradicts_is_refused(t: str) -> None:
    produced(t)
    refused(2, "consume", t, "--json", "-F", "%s")
    refused(2, "consume", t, "--idle", "1s")
    refused(2, "consume", t, "-o", "3", "--since", "1h")
    assert run("consume", t, "--nonsense").status == 2

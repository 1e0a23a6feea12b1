"""How consume prints a record, and which records it chooses."""

from __future__ import annotations

import pytest

from tests.support.command import ok, refused

ENVELOPES = b"""\
{"key":"k1","value":"one","timestamp":1700000000123,"partition":0,"headers":[["a","1"],["b",""],["a","2"]]}
{"key":null,"value":"","timestamp":0,"partition":1}
{"key":"","value":null,"timestamp":1700000000999,"partition":0}
{"key_b64":"/w==","value_b64":"AP8K","timestamp":1700000001000,"partition":0,"headers":[["n",null]]}
"""


@pytest.fixture
def topic() -> str:
    """Four records on two partitions: plain, empty, null, binary."""
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "--json", stdin=ENVELOPES)
    return "t"


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("%s;", b"one;;\0\xff\n;"),
        ("%k;", b"k1;;\xff;"),
        ("%t;", b"t;t;t;"),
        ("%p;", b"0;0;0;"),
        ("%o;", b"0;1;2;"),
        ("%T;", b"1700000000123;1700000000999;1700000001000;"),
        ("%d;", b"2023-11-14T22:13:20.123Z;2023-11-14T22:13:20.999Z;2023-11-14T22:13:21.000Z;"),
        ("%h;", b"a=1,b=,a=2;;n=;"),
        ("%S;", b"3;-1;3;"),
        ("%K;", b"2;0;1;"),
        ("%%s;", b"%s;" * 3),
        ("%%%o%%;", b"%0%;%1%;%2%;"),
        ("%o%o", b"001122"),
        ("\\t\\n\\r\\0\\\\\\x7f|", b"\t\n\r\0\\\x7f|" * 3),
        ("\\\\n%o", b"\\n0\\n1\\n2"),
        ("é%o\udcff", "é0".encode() + b"\xff" + "é1".encode() + b"\xff" + "é2".encode() + b"\xff"),
        ("constant ", b"constant " * 3),
    ],
)
def test_format(topic: str, template: str, printed: bytes) -> None:
    assert ok("consume", topic, "-p", "0", "-F", template) == printed


def test_format_of_a_null_key_and_an_empty_value(topic: str) -> None:
    assert ok("consume", topic, "-p", "1", "-F", "%p %T %K [%k] %S [%s] %h\\n") == b"1 0 -1 [] 0 [] \n"


@pytest.mark.parametrize("template", ["%", "%x", "a%", "%%%", "\\q", "\\xg1"])
def test_a_bad_format_is_refused(topic: str, template: str) -> None:
    refused(2, "consume", topic, "-F", template)


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (("-D", ", "), b"one, , \0\xff\n, "),
        (("-D", ""), b"one\0\xff\n"),
        (("-D", "\\x00\\n"), b"one\0\n\0\n\0\xff\n\0\n"),
        (("-0",), b"one\0\0\0\xff\n\0"),
        (("-K", "="), b"k1=one\n=\n\xff=\0\xff\n\n"),
        (("-K", "\\t", "-0"), b"k1\tone\0\t\0\xff\t\0\xff\n\0"),
        (("-K", ""), b"k1one\n\n\xff\0\xff\n\n"),
        ((), b"one\n\n\0\xff\n\n"),
    ],
)
def test_delimiters_between_records_and_after_keys(topic: str, flags: tuple[str, ...], printed: bytes) -> None:
    assert ok("consume", topic, "-p", "0", *flags) == printed


@pytest.mark.parametrize(
    "flags", [("-F", "%s", "--json"), ("-K", ":", "--json"), ("-F", "%s", "-0"), ("--json", "-D", ",")]
)
def test_two_ways_to_print_are_refused(topic: str, flags: tuple[str, ...]) -> None:
    refused(2, "consume", topic, *flags)


@pytest.fixture
def filtered() -> str:
    ok("produce", "f", "-K", ":", "-H", "h=1", stdin=b"a:GET /\nb:POST /x\n:get y\n")
    ok("produce", "f", "-H", "h=1", "-H", "g=2", stdin=b"GET none\n\n")
    ok("produce", "f", "-K", ":", "-Z", stdin=b"a:\n")
    ok("produce", "f", "-k", "\\xff", stdin=b"\xff\xfe\n")
    return "f"


@pytest.mark.parametrize(
    ("flags", "offsets"),
    [
        (("--grep", "GET"), "0 3"),
        (("--grep", "(?i)get"), "0 2 3"),
        (("--grep", "^$"), "4"),
        (("--grep", "/$"), "0"),
        (("--grep", "\udcff"), "6"),
        (("--key", "a"), "0 5"),
        (("--key", ""), "2"),
        (("--key", "\\xff"), "6"),
        (("--key", "none"), ""),
        (("--header", "h=1"), "0 1 2 3 4"),
        (("--header", "h=1", "--header", "g=2"), "3 4"),
        (("--header", "h=2"), ""),
        (("--header", "h=1", "--key", "a", "--grep", "G.T"), "0"),
        (("--grep", "GET", "-n", "1"), "0"),
        (("--grep", "GET", "-o", "1"), "3"),
        (("--grep", "GET", "-n", "0"), ""),
    ],
)
def test_filters(filtered: str, flags: tuple[str, ...], offsets: str) -> None:
    assert ok("consume", filtered, "-F", "%o ", *flags).split() == offsets.encode().split()


def test_filters_keep_the_plain_form(filtered: str) -> None:
    assert ok("consume", filtered, "--grep", "/") == b"GET /\nPOST /x\n"


def test_a_bad_regular_expression_is_refused(filtered: str) -> None:
    assert "--grep" in refused(2, "consume", filtered, "--grep", "(")


def test_nothing_that_passes_the_filter_is_empty(filtered: str) -> None:
    refused(3, "consume", filtered, "--grep", "nowhere", "--fail-empty")

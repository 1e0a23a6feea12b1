r"""What others wrote cannot drive a terminal: escape sequences, C1 controls, carriage returns, reversed text.

On a terminal nothing but the command's own colours comes through; what it says of files and names is escaped even in a file.
`consume` is not here: it gives the bytes of records as they are, like cat(1).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path

import pytest
from crc32c import crc32c

from tests.security.forked import ok, run
from tests.support.terminal import on_terminal

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\x7f\u202egnp\u2066\x00\x0b"
COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


def harmless(shown: bytes) -> bool:
    """Whether a terminal that was shown this has only changed colours and begun new lines."""
    text = COLOURS.sub(b"", shown).replace(b"\r\n", b"").replace(b"\n", b"").decode()
    return text.isprintable()


@pytest.fixture
def evil_topic() -> None:
    record = {"key": EVIL, "value": f"value {EVIL}", "headers": [[EVIL, EVIL]]}
    invalid = {"key_b64": "/5s=", "value_b64": "m/8b", "headers": []}
    ok("produce", "t", "--json", stdin="".join(f"{json.dumps(row)}\n" for row in (record, invalid)).encode())


@pytest.mark.usefixtures("evil_topic")
@pytest.mark.parametrize("words", [[], ["--wrap"], ["--json"], ["-F", "%k %s %h %t\\n"]])
def test_tail_shows_records_that_cannot_drive_a_terminal(words: list[str]) -> None:
    with on_terminal("tail", "t", *words, columns=400) as terminal:
        status, shown = terminal.finish()
    assert status == 0
    assert b"owned" in shown
    assert harmless(shown), shown


@pytest.mark.usefixtures("evil_topic")
def test_json_on_a_terminal_is_the_same_to_a_parser() -> None:
    with on_terminal("tail", "t", "--json", columns=400) as terminal:
        _, shown = terminal.finish()
    assert [json.loads(line) for line in shown.splitlines()] == [
        json.loads(line) for line in ok("tail", "t", "--json").split(b"\n")[:-1]
    ]


def test_a_formats_own_escapes_are_the_users() -> None:
    ok("produce", "t", stdin=b"a\x1bb\n")
    with on_terminal("tail", "t", "-F", "\\x1b[1m%s\\x1b[0m\\n") as terminal:
        _, shown = terminal.finish()
    assert shown == b"\x1b[1ma\\x1bb\x1b[0m\r\n"


ARGUMENTS = [
    ["consume", EVIL.replace("\0", "")],
    ["produce", EVIL.replace("\0", "")],
    ["produce", "t", EVIL.replace("\0", "")],
    [EVIL.replace("\0", "")],
    ["consume", "t", f"--{EVIL}".replace("\0", "")],
    ["consume", "t", "-o", EVIL.replace("\0", "")],
    ["consume", "t", "--grep", "(" + EVIL.replace("\0", "")],
    ["topics", "create", "t", "-c", EVIL.replace("\0", "")],
    ["groups", "describe", EVIL.replace("\0", "")],
    ["groups", "reset", "g", "--to", EVIL.replace("\0", "")],
    ["consume", "t", "-g", "g", "--", EVIL.replace("\0", "")],
    ["--dir", "/nonexistent/" + EVIL.replace("\0", ""), "topics", "list"],
]


@pytest.mark.parametrize("words", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_complaints_quote_arguments_escaped(words: list[str]) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g", "-n", "0")
    result = run(*words, stdin=b"x\n")
    assert result.err
    assert all(line.isprintable() for line in result.err.split("\n")), result.err
    assert harmless(result.out)


def test_names_found_on_disk_are_escaped(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g")
    name = EVIL.replace("\0", "").encode() + b"\xff"
    for place in ("", "topics", "topics/t", "topics/t/0", "groups", "groups/g", "groups/g/members"):
        (log_directory / place / os.fsdecode(name)).write_bytes(b"")
    warned = 0
    for words in (["topics", "list"], ["topics", "describe", "t"], ["groups", "list"], ["groups", "describe", "g"]):
        result = run(*words)
        assert result.status == 0
        assert all(line.isprintable() for line in result.err.split("\n")), result.err
        warned += len(result.err.splitlines())
        assert harmless(result.out)
    assert warned == 7


def test_what_files_of_a_group_say_is_escaped(log_directory: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g")
    group = log_directory / "groups" / "g"
    (group / "members" / "1-abcdef").write_text(json.dumps({"pid": 1, "topics": [EVIL], "assigned": True}))
    (group / "generation.json").write_text(json.dumps({"generation": 1, "assignment": {EVIL: [[EVIL, 0]]}}))
    lease = group / "leases" / "t" / "0"
    lease.write_bytes(EVIL.encode())
    with lease.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for words in (["describe", "g"], ["describe", "g", "--json"], ["list", "--json"], ["log", "g"]):
            out = ok("groups", *words)
            assert harmless(out), out


@pytest.mark.parametrize("field", ["member", "kind", "topic"])
def test_a_line_of_commits_that_could_drive_a_terminal_is_damage(field: str, log_directory: Path) -> None:
    ok("produce", "t", stdin=b"a\n")
    ok("consume", "t", "-g", "g")
    word = EVIL.replace("\0", "").replace("\r", "").replace("\x0b", "")
    kind, member, topic = (
        word if name == field else good for name, good in (("kind", "commit"), ("member", "-"), ("topic", "t"))
    )
    text = f"1 {kind} {member} {topic}:0=1".encode()
    with (log_directory / "groups" / "g" / "commits").open("ab") as file:
        file.write(b"%s %08x\n" % (text, crc32c(text)))
    result = run("groups", "log", "g")
    assert result.status == 6
    assert result.out == b""
    assert "line 3" in result.err

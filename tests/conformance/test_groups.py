"""The groups commands: looking at groups, moving their offsets, waiting for them."""

from __future__ import annotations

import json

from tests.conformance.records import T0, a_second_apart
from tests.support.command import finish, ok, refused, started
from tests.support.deliveries import committed, numbers, placed
from tests.support.groups import described
from tests.support.waiting import read_lines, wait_until


def of_ten(topic: str, group: str) -> None:
    """A topic of 10 records, of which the group has consumed 4."""
    a_second_apart(topic, range(10))
    assert ok("consume", topic, "-g", group, "-n", "4") == numbers(0, 4)


def rows(out: bytes) -> list[list[str]]:
    return [line.split() for line in out.decode().splitlines()]


def test_list_and_describe(t: str, g: str) -> None:
    of_ten(t, g)
    assert g.encode() in ok("groups", "list").splitlines()
    listed = [json.loads(line) for line in ok("groups", "list", "--json").splitlines()]
    assert [row for row in listed if row["group"] == g] == [{"group": g, "members": [], "lag": 6}]
    first, titles, row = rows(ok("groups", "describe", g))
    assert first[:2] == ["group", f"{g},"]
    assert first[-2:] == ["members", "0"]
    assert titles[:6] == ["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "MEMBER"]
    assert row[:6] == [t, "0", "4", "10", "6", "-"]
    (state,) = described(g)
    assert state == {
        "group": g,
        "topic": t,
        "partition": 0,
        "current_offset": 4,
        "log_end_offset": 10,
        "lag": 6,
        "member": None,
        "rate": None,
    }
    assert f"group {g}," in ok("groups", "describe", "--all").decode()


def test_partitions_without_a_commit_are_described(t: str, g: str) -> None:
    placed(t, [0, 1])
    ok("consume", t, "-g", g, "-n", "1")
    states = [(state["partition"], state["current_offset"], state["lag"]) for state in described(g)]
    assert states == [(0, None, None), (1, 1, 0)]


def test_who_consumes_is_described_and_moving_is_refused_meanwhile(t: str, g: str) -> None:
    of_ten(t, g)
    with started("consume", t, "-g", g, "-f", "--commit", "none") as member:
        read_lines(member.stdout, 6)
        (state,) = described(g)
        assert state["member"]
        assert state["member"] in ok("groups", "describe", g).decode()
        for words in (("reset", g, "--to", "end"), ("delete", g)):
            assert "stop them" in refused(7, "groups", *words)
        member.terminate()
        assert finish(member).status == 143
    assert described(g)[0]["member"] is None
    assert committed(g) == {0: 4}


def test_reset(t: str, g: str) -> None:
    of_ten(t, g)
    for to, before, after in (("+3", 4, 7), ("-99", 7, 0), ("5", 0, 5), (f"@{T0 + 8000}", 5, 8), ("end", 8, 10)):
        moved = [["TOPIC", "PARTITION", "FROM", "TO"], [t, "0", str(before), str(after)]]
        assert rows(ok("groups", "reset", g, f"--to={to}")) == moved
    assert ok("groups", "reset", g, "--to", "beginning", "--dry-run", "--json") == (
        b'{"topic":"%s","partition":0,"from":10,"to":0}\n' % t.encode()
    )
    assert ok("consume", t, "-g", g) == b""
    ok("groups", "reset", g, "--to", "beginning")
    assert ok("consume", t, "-g", g) == numbers(0, 10)


def test_reset_of_some_topics_and_of_one_never_consumed(t: str, g: str) -> None:
    of_ten(t, g)
    ok("produce", f"{t}-other", stdin=numbers(0, 2))
    ok("groups", "reset", g, f"{t}-other", "--to", "1")
    assert {(row["topic"], row["current_offset"]) for row in described(g)} == {(t, 4), (f"{t}-other", 1)}
    assert ok("consume", f"{t}-other", "-g", g) == b"1\n"


def test_what_a_reset_refuses(t: str, g: str) -> None:
    of_ten(t, g)
    refused(2, "groups", "reset", g)
    assert "bad offset 'soon'" in refused(2, "groups", "reset", g, "--to", "soon")
    assert f"no such topic: {t}-x" in refused(4, "groups", "reset", g, f"{t}-x", "--to", "end")
    assert f"{t}, partition 0 has 0 to 10" in refused(5, "groups", "reset", g, "--to", "11")
    assert committed(g) == {0: 4}


def test_delete_begins_anew(t: str, g: str) -> None:
    of_ten(t, g)
    ok("groups", "delete", g)
    assert g.encode() not in ok("groups", "list").splitlines()
    assert ok("consume", t, "-g", g) == numbers(0, 10)


def test_export_and_import_move_a_group(t: str, g: str) -> None:
    of_ten(t, g)
    exported = ok("groups", "export", g)
    assert exported == b'{"topic":"%s","partition":0,"offset":4}\n' % t.encode()
    ok("groups", "import", f"{g}-copy", stdin=exported)
    assert ok("consume", t, "-g", f"{g}-copy") == numbers(4, 10)


def test_wait_until_the_group_has_caught_up(t: str, g: str) -> None:
    of_ten(t, g)
    ok("groups", "wait", g, "--lag", "6")
    assert "lag of 6 records" in refused(7, "groups", "wait", g, "--timeout", "50ms")
    with started("groups", "wait", g, "--timeout", "60s") as waiting:
        ok("consume", t, "-g", g, "-n", "3")
        assert waiting.poll() is None
        ok("consume", t, "-g", g)
        assert finish(waiting) == (0, b"", "")


def test_a_group_that_is_not_there(t: str, g: str) -> None:
    ok("produce", t, stdin=b"a\n")
    for words in (["describe"], ["export"], ["wait"], ["reset", "--to", "end"], ["delete"]):
        line = refused(4, "groups", words[0], g, *words[1:])
        assert f"no such group: {g}" in line
        assert "groups list" in line


def test_a_member_that_was_killed_is_no_member(t: str, g: str, mortal: tuple[str, ...]) -> None:
    of_ten(t, g)
    with started("consume", t, "-g", g, "-f", "--commit", "none", *mortal) as member:
        read_lines(member.stdout, 6)
        member.kill()
        member.wait()
    # Apache Kafka counts it as one until its session times out; a lock of the kernel is gone with it.
    wait_until(lambda: described(g)[0]["member"] is None, "the group to be without members")
    ok("groups", "reset", g, "--to", "end")
    assert committed(g) == {0: 10}

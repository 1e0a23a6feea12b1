"""top and stats: what comes in, what groups take out, and how far these are behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from streamcli.cli.manual_json import OBJECTS
from tests.conformance.records import a_second_apart
from tests.support.command import ok, refused, started
from tests.support.deliveries import committed, numbers
from tests.support.groups import owners
from tests.support.json_fields import check_fields
from tests.support.waiting import read_lines, wait_until

ONCE = ("top", "--once", "--interval", "100ms")


def of_ten(topic: str, group: str) -> None:
    """A topic of 10 records, of which the group has consumed 4."""
    a_second_apart(topic, range(10))
    assert ok("consume", topic, "-g", group, "-n", "4") == numbers(0, 4)


def told(*words: str) -> dict[str, dict[str, Any]]:
    """What is said of each topic and group, and in all under ""."""
    lines = [json.loads(line) for line in ok(*words, "--json").splitlines()]
    for line in lines:
        whose = {"topic": "of a topic", "group": "of a group", "total": "of all"}[line["kind"]]
        check_fields([line], OBJECTS[f"{words[0]}, {whose}"], words[0])
    return {line.get(line["kind"], ""): line for line in lines}


def test_top_once(t: str, g: str, engine: str) -> None:
    of_ten(t, g)
    found = told(*ONCE, t)
    assert found.keys() == {t, g}
    assert {name: found[t][name] for name in ("partitions", "records", "lag")} == {
        "partitions": 1,
        "records": 10,
        "lag": 6,
    }
    assert (found[t]["size"] is None) == (found[t]["bytes_in"] is None) == (engine == "kafka")
    group = found[g]
    assert (group["members"], group["topics"], group["partitions"], group["lag"]) == (0, 1, 1, 6)
    titles, row = (line.split() for line in ok(*ONCE, t).decode().splitlines()[:2])
    assert [row[0], row[1], row[-1]] == [t, "1", "6"]
    if engine == "kafka":
        shown = dict(zip(titles, row, strict=True))
        assert (shown["SIZE"], shown["BYTES/S"]) == ("-", "-")


def test_stats(t: str, g: str, engine: str) -> None:
    of_ten(t, g)
    found = told("stats", t)
    assert found.keys() == {t, g, ""}
    for each in (found[t], found[""]):
        assert (each["partitions"], each["records"], each["last_hour"]["records"]) == (1, 10, 0)
        assert each["last_timestamp"] - each["first_timestamp"] == 9000
        assert (each["size"] is None) == (each["segments"] is None) == (engine == "kafka")
    assert (found[g]["lag"], found[g]["partitions"], found[g]["members"]) == (6, 1, 0)
    ok("produce", t, stdin=b"now\n")
    came = told("stats", t)[t]["last_hour"]
    assert came["records"] == 1
    assert (came["size"] is None) == (engine == "kafka")
    assert t in ok("stats", t).decode()


def test_stats_for_prometheus(t: str, g: str, engine: str) -> None:
    of_ten(t, g)
    families = text_string_to_metric_families(ok("stats", "--prometheus", t).decode())
    samples = {sample.name: sample.value for family in families for sample in family.samples}
    assert samples["streamcli_partition_records_appended_total"] == 10
    assert samples["streamcli_group_committed_offset"] == 4
    assert samples["streamcli_group_lag_records"] == 6
    assert ("streamcli_partition_size_bytes" in samples) == (engine == "directory")


def test_rates_and_members_while_a_group_is_at_work(t: str, g: str, tmp_path: Path) -> None:
    ok("produce", t, stdin=b"0\n")
    with started("consume", t, "-g", g, "-f") as member:
        read_lines(member.stdout, 1)
        wait_until(lambda: owners(g), "the member's assignment")
        said = tmp_path / "said"
        with said.open("wb") as file, started("top", t, "--json", "--interval", "300ms", stdout=file) as top:

            def has_come(*names: str) -> bool:
                """Whether each of them was in some line so far, and not 0."""
                lines = [json.loads(line) for line in said.read_bytes().split(b"\n")[:-1]]
                return all(any(line.get(name) for line in lines) for name in names)

            wait_until(lambda: has_come("partitions"), "the first line")
            ok("produce", t, stdin=numbers(1, 2000))
            wait_until(lambda: has_come("records_in", "records_out"), "rates in and out")
            top.terminate()
        wait_until(lambda: committed(g) == {0: 2000}, "the commit")
        assert told(*ONCE, t)[g]["members"] == 1
        assert told("stats", t)[g]["members"] == 1


def test_partitions_without_a_commit_count_from_their_start(t: str, g: str) -> None:
    ok("topics", "create", t, "-p", "2")
    for partition in ("0", "1"):
        ok("produce", t, "-p", partition, stdin=numbers(0, 5))
    ok("consume", t, "-g", g, "-n", "1")
    assert told(*ONCE, t)[g]["lag"] == told("stats", t)[g]["lag"] == 9


def test_what_is_not_there(t: str) -> None:
    ok("topics", "create", t)
    for words in (("stats",), ONCE):
        assert f"no such topic: {t}x" in refused(4, *words, f"{t}x")
        assert f"no topic matches '{t}-*'" in refused(4, *words, f"{t}-*")
        assert t in ok(*words, f"{t}*").decode()

"""stats: totals, sizes, rates and lags; Prometheus' text, held against a parser of that format."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from streamcli.cli.manual_json import OBJECTS
from streamcli.cli.prometheus import GAUGE, Family, Sample, exposition
from streamcli.engine.directory_stock import DirectoryStock
from streamcli.engine.stats import Appended
from streamcli.record.errors import CorruptData
from tests.security.forked import ok, run
from tests.support.command import finish, started
from tests.support.json_fields import check_fields
from tests.support.waiting import DEADLINE


def told(*words: str) -> dict[str, dict[str, Any]]:
    """What stats says of each topic and group, and in all under ""."""
    lines = [json.loads(line) for line in ok("stats", "--json", *words).splitlines()]
    return {line.get(line["kind"], ""): line for line in lines}


def samples(*words: str) -> dict[tuple[str, ...], float]:
    """Name and label values -> value, as Prometheus' own parser reads them."""
    text = ok("stats", "--prometheus", *words).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def produce_at(topic: str, *ages: int) -> None:
    """A record for each age, in seconds, a batch each."""
    now = time.time_ns() // 1_000_000
    for age in ages:
        ok("produce", topic, "--json", stdin=b'{"value":"x","timestamp":%d}\n' % (now - age * 1000))


def test_of_nothing_it_says_so(log_directory: Path) -> None:
    none = {"records": 0, "size": 0}
    counts = dict.fromkeys(("topics", "groups", "partitions", "records", "size", "segments"), 0)
    times = {"first_timestamp": None, "last_timestamp": None, "last_minute": none, "last_hour": none}
    assert told() == {"": {"kind": "total", "is_exact": True, **counts, **times}}
    assert ok("stats", "--prometheus") == b""
    assert b"0 in all" in ok("stats")
    assert not log_directory.exists()
    ok("topics", "create", "empty")
    assert samples()["streamcli_partition_records_appended_total", "empty", "0"] == 0
    assert told()["empty"]["last_timestamp"] is None


def test_totals_are_what_describe_says() -> None:
    ok("topics", "create", "a", "-p", "3")
    ok("produce", "a", "-K", ":", stdin=b"".join(b"%d:value\n" % n for n in range(100)))
    ok("produce", "b.c-d_e", stdin=b"x\n")
    described = json.loads(ok("topics", "describe", "a", "--json"))["partitions"]
    found = told()
    assert found["a"]["records"] == 100
    assert found["a"]["size"] == sum(partition["size"] for partition in described)
    assert found[""]["records"] == 101
    assert found[""]["partitions"] == found[""]["segments"] == 4
    assert set(told("a")) == set(told("[!b]*")) == {"a", ""}
    for partition in described:
        place = ("a", str(partition["partition"]))
        read = samples()
        assert read["streamcli_partition_records_appended_total", *place] == partition["log_end_offset"]
        assert read["streamcli_partition_size_bytes", *place] == partition["size"]
        assert read["streamcli_partition_last_timestamp_seconds", *place] == partition["last_timestamp"] / 1000


def test_what_came_lately_is_counted_by_the_records_times() -> None:
    produce_at("t", 9000, 4000, 1800, 1200, -20, -30)
    found = told()["t"]
    size = found["size"] / 6
    assert found["last_minute"] == {"records": 2, "size": pytest.approx(2 * size)}
    assert found["last_hour"] == {"records": 4, "size": pytest.approx(4 * size)}
    row = ok("stats").decode().splitlines()[1].split()
    assert (row[0], row[2], row[-3]) == ("t", "6", "4")


def test_what_came_lately_lies_in_several_segments() -> None:
    ok("topics", "create", "t", "-c", "segment.bytes=1K", "-c", "segment.ms=100d")
    produce_at("t", 9000, *[50] * 12)
    found = told()["t"]
    assert found["segments"] == 2
    assert found["last_hour"]["records"] == 12
    assert found["last_hour"]["size"] == pytest.approx(found["size"] * 12 / 13)


def test_a_compacted_topic_has_an_upper_bound() -> None:
    ok("topics", "create", "t", "-c", "cleanup.policy=compact")
    ok("produce", "t", "-k", "k", stdin=b"1\n2\n")
    assert told()["t"]["is_exact"] is told()[""]["is_exact"] is False
    assert ok("stats").decode().splitlines()[1].split()[2] == "<=2"


def test_groups_have_lag_and_rate() -> None:
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", "-p", "0", stdin=b"1\n2\n3\n")
    ok("produce", "t", "-p", "1", stdin=b"4\n5\n")
    ok("produce", "other", stdin=b"6\n")
    ok("consume", "t", "-g", "g", "-n", "1")
    ok("consume", "other", "-g", "h")
    found = told()
    assert (found["g"]["lag"], found["g"]["members"], found["g"]["partitions"]) == (4, 0, 2)
    assert found["h"]["lag"] == 0
    assert "h" not in told("t")
    read = samples()
    assert read["streamcli_group_committed_offset", "g", "t", "0"] == 1
    assert ("streamcli_group_committed_offset", "g", "t", "1") not in read
    assert read["streamcli_group_lag_records", "g", "t", "1"] == 2
    assert read["streamcli_group_members", "g"] == 0
    assert ok("stats").decode().splitlines()[-2].split()[:4] == ["g", "0", "2", "4"]


def test_what_cannot_be_read_hides_nothing_else(log_directory: Path) -> None:
    ok("produce", "a", stdin=b"1\n")
    ok("produce", "b", stdin=b"1\n")
    ok("consume", "a", "b", "-g", "g")
    (log_directory / "topics" / "a" / "config.json").write_text("no config")
    (log_directory / "groups" / "g" / "commits").write_text("no commits\n")
    ok("topics", "create", "c", "d", "-p", "2")
    (log_directory / "topics" / "c" / "1").rename("elsewhere")
    (log_directory / "topics" / "d" / "0").rename("away")
    (log_directory / "topics" / "d" / "0").symlink_to(Path("away").resolve())
    for shape in ("--json", "--prometheus"):
        result = run("stats", shape)
        assert result.status == 6
        assert [line.split(" is left out: ")[0] for line in result.err.splitlines()] == [
            *(f"streamcli: {topic}" for topic in "acd"),
            "streamcli: group g",
        ]
        assert b'"b"' in result.out


def test_what_came_lately_is_null_where_damage_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> Appended:
        raise CorruptData("no batch here", "0.log", 0)

    ok("produce", "t", stdin=b"1\n")
    monkeypatch.setattr(DirectoryStock, "appended", damaged)
    result = run("stats", "--json")
    assert (result.status, result.err.startswith("streamcli: what came to t is left out: ")) == (6, True)
    topic = json.loads(result.out.splitlines()[0])
    assert (topic["records"], topic["last_minute"], topic["last_hour"]) == (1, None, None)
    check_fields([topic], OBJECTS["stats, of a topic"], "stats")


def test_what_is_refused() -> None:
    assert run("stats", "nope").status == 4
    assert run("stats", "nope*").status == 4
    assert run("stats", "--json", "--prometheus").status == 2


def test_its_names_are_those_that_prometheus_asks_for() -> None:
    ok("topics", "create", "t", "-p", "2")
    ok("produce", "t", stdin=b"1\n")
    ok("consume", "t", "-g", "g")
    text = ok("stats", "--prometheus").decode()
    families = list(text_string_to_metric_families(text))
    assert len(families) == 11
    for family in families:
        assert family.documentation
        assert family.name.startswith("streamcli_")
        assert {sample.name.endswith("_total") for sample in family.samples} == {family.type == "counter"}
        assert all(sample.timestamp is None for sample in family.samples)  # the textfile collector refuses them
        assert len({tuple(sample.labels.items()) for sample in family.samples}) == len(family.samples)
    if shutil.which("promtool") is None:
        pytest.skip("promtool, of Prometheus itself, is not installed: its rules are checked by hand above")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.text(max_size=9), st.integers(-(2**53), 2**53)), min_size=1, max_size=3, unique=True),
    st.text(st.characters(blacklist_characters="\r", blacklist_categories=["Cs"]), max_size=9),
)
def test_any_label_and_help_come_back_from_the_parser(values: list[tuple[str, int]], about: str) -> None:
    family = Family("x_bytes", GAUGE, about, [Sample((("a", label), ("b", label)), value) for label, value in values])
    [read] = text_string_to_metric_families(exposition([family]))
    assert [(s.labels["a"], s.labels["b"], s.value) for s in read.samples] == [(text, text, n) for text, n in values]
    assert read.type == "gauge"


def test_a_closed_pipe_ends_it_quietly() -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("stats", "--prometheus") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        assert finish(process) == (0, b"", "")

"""Each refusal says what happened, where, and what to do; and the table of them has every message in the code."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest

from streamcli.record.errors import EXIT_STATUSES
from tests.errors.messages import messages
from tests.errors.rows import ROWS, Row
from tests.errors.situations import make_log
from tests.support.command import finish, ok, run, started
from tests.support.waiting import read_lines

# What to do: the words with which the messages say it.
REMEDY = re.compile(
    r"\b(did you mean|use|see|add|leave out|choose|give|wait|stop them|restore|upgrade|move|remove|put|mend|make|say|takes?|needs?|"
    r"name|have to|has to be|create|import|to go on start|go on|ask|raise|save|repair|write|streamcli [a-z ]+\[OPTION|there is|start again|"
    r"nothing was read or written|it stops)\b"
)


@pytest.fixture(scope="module")
def made_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "log"
    make_log(directory)
    return directory


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.situation.__name__}: {row.words!a}"[:60])
def test_what_it_says(row: Row, made_log: Path, log_directory: Path) -> None:
    shutil.copytree(made_log, log_directory)
    Path("note.txt").write_text("x\n")
    Path("latin1.txt").write_bytes(b"caf\xe9=x\n")
    Path("bad.jsonl").write_text('{"value":"a"}\n{"value":1}\n')
    with row.situation(log_directory) as under:
        result = run(*row.words.split(" "), stdin=row.stdin, under=under)
    said = re.sub(r"\d+-[0-9a-f]{6} \(pid \d+\)", "MEMBER", result.err.replace(str(log_directory), "DIR"))
    assert said == f"streamcli: {row.says}\n"
    assert (result.status, result.out) == (row.status, b"")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: ascii(row.says)[:60])
def test_it_says_where_and_what_to_do(row: Row) -> None:
    words = re.split(r"[ =]", row.words)
    named = [*words, *(word.lstrip("-") for word in words)]
    somewhere = [
        "DIR",
        "standard input",
        "a command is missing",
        "-c NAME=VALUE",
        "number of partitions",
        "-j",
        *(word for word in named if len(word) > 1),
    ]
    assert any(place in row.says for place in somewhere)
    if row.status != 3:  # which was asked for
        assert REMEDY.search(row.says)


def test_every_status_is_in_the_table() -> None:
    assert {row.status for row in ROWS} == set(EXIT_STATUSES) - {0}


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_a_stopped_producer_says(signum: int, status: int) -> None:
    with started("produce", "t", "--sync", "batch", "--offsets") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        producer.send_signal(signum)
        result = finish(producer)
    assert result.status == status
    assert re.fullmatch(
        r"streamcli: stopped by SIG\w+: 1 record is durable in t, to go on start at record 2 of the input \(tail -n \+2\)\n",
        result.err,
    )
    assert ok("consume", "t") == b"1\n"


# What is in no row: by a piece of its message, why.
ELSEWHERE = {
    # Another process has to do something at one moment.
    "was deleted while it was being": "a race: tests/cli/test_follow.py, tests/groups/test_removed_files.py",
    "a segment was cut while it was being read": "a race with recovery: tests/storage/test_recovery.py",
    "the file of this member was removed while it ran": "tests/groups/test_removed_files.py",
    " ended before it had all records": "tests/cli/test_full_disk_upkeep.py",
    "the process that asked has died": "a fault of librdkafka: tests/kafka/test_activity.py",
    # The path of the config file is in it.
    " contradict each other": "tests/cli/test_config.py",
    # A machine or an installation that is not here.
    "is on a network file system": "tests/storage/test_locks.py",
    "is unknown to this streamcli": "tests/storage/test_codec.py",
    "are unknown to this streamcli": "tests/storage/test_codec.py",
    "is not installed": "tests/cli/test_compression.py",
    "this Python was built without zstd": "tests/storage/test_codec.py",
    "cannot read ": "of an unsupported batch: tests/cli/test_compression.py",
    "cannot be drawn on": "a terminal that curses does not know",
    "no room for the input of": "no memory for a memfd",
    "was not reached": "tests/mirror/test_cluster.py",
    "holds what lies from offset": "tests/mirror/test_directory_to_directory.py",
    # Logs of 2**63 records, and damage of many kinds.
    "the log is full": "tests/storage/test_append.py",
    "the log does not end in a whole batch": "tests/storage/test_recovery.py",
    "is after the end of the log,": "a log that is cut while it is trimmed",
    # bench, whose processes fail.
    "ended with status": "tests/cli/test_bench.py",
    "took no record": "tests/cli/test_bench.py",
    "the reader ended before": "tests/cli/test_bench.py",
    "records did not come back": "tests/cli/test_bench.py",
    "bytes came, of": "tests/cli/test_bench.py",
    # Lines of JSON: each is tried by itself.
    **dict.fromkeys(
        ("is not base64", "is not a whole number that a record can have", "not a JSON object", 'no "value"', "_b64"),
        "tests/cli/test_json.py",
    ),
    **dict.fromkeys(
        ("half a surrogate pair", '"headers" is not a list', "there is no partition", "no such partition", "too long"),
        "tests/cli/test_json.py",
    ),
    "not one object a line": "lines that are then read one by one",
    # The config file and the environment: tests/cli/test_config.py.
    **dict.fromkeys(
        ("no such option of", "this option can have no default", "is the table of no command", "bad value "),
        "tests/cli/test_config.py",
    ),
    **dict.fromkeys(
        ("STREAMCLI_CONFIG names it", "the config file is no TOML", "the config file cannot be read"),
        "tests/cli/test_config.py",
    ),
    "longer than": "tests/cli/test_produce.py",
    "--records prints what is in segments": "tests/cli/test_dump.py",
    "a record without a key is refused": "the library says it so; the row of produce users",
    "has no commits": "tests/cli/test_groups.py",
    "standard input holds no offsets": "tests/cli/test_groups.py",
}


@pytest.mark.parametrize("message", messages())
def test_every_message_is_in_the_table(message: str) -> None:
    assert any(re.search(message, row.says) for row in ROWS) or any(re.escape(piece) in message for piece in ELSEWHERE)


def test_what_stands_elsewhere_is_in_the_code() -> None:
    assert [piece for piece in ELSEWHERE if not any(re.escape(piece) in message for message in messages())] == []

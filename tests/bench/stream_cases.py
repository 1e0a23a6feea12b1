"""Producing and consuming a whole input, against cat and grep."""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.case import Case, Pair, Target, pair_case
from tests.bench.inputs import ACCESS, INPUTS, JSON, LONG, Input
from tests.bench.place import Side

_FORMAT = r"-F '%k %o %s\n'"
_DELETE_NEW = ("streamcli topics delete -y new",)


def stream_cases() -> list[Case]:
    return [case for data in INPUTS for case in [*_produce(data), *_consume(data), *_group(data)]]


def produced(words: str, source: str, *, file: bool = False, before: tuple[str, ...] = ()) -> Side:
    """`streamcli produce new`, with more words, of an input, through a pipe or as a FILE; the topic is deleted after."""
    command = f"streamcli produce new {words}".strip()
    line = f"{command} {source}" if file else f"cat {source} | {command}"
    return Side(line, before=before, after=_DELETE_NEW, reads=(source,))


def copied(source: str, *, file: bool = False) -> Side:
    """The same lines into a file, with fsync."""
    line = f"cat {source} > copy && sync copy" if file else f"cat {source} | cat > copy && sync copy"
    return Side(line, after=("rm copy",), reads=(source,))


def _produce(data: Input) -> list[Case]:
    rows: list[tuple[str, str, Side, Side, str, Target | None]] = [
        ("pipe", "produce from a pipe", produced("", data.file), copied(data.file), data.file, _ratio(0.8)),
        (
            "file",
            "produce FILE",
            produced("", data.file, file=True),
            copied(data.file, file=True),
            data.file,
            _ratio(1.0),
        ),
        *(
            (
                f"keyed-{count}",
                f"produce -K, {count} partition{'s' * (count > 1)}",
                produced(f"-K '{data.delimiter}' --partitions {count}", data.few),
                copied(data.few),
                data.few,
                _rate(data, rate),
            )
            for count, rate in ((1, 2e6), (8, 1.5e6))
        ),
        (
            "json",
            "produce --json",
            produced("--json", data.envelopes),
            copied(data.envelopes),
            data.fewest,
            _rate(data, 5e5),
        ),
    ]
    return [
        pair_case(
            f"produce-{name}",
            title,
            "produce",
            Pair(ours, theirs, counted, needs=(*ours.reads, counted)),
            input=data.name,
            target=target,
        )
        for name, title, ours, theirs, counted, target in rows
    ]


def _consume(data: Input) -> list[Case]:
    several = " ".join([data.file] * LONG)
    rows = [
        _Row(
            "pipe", "into a pipe", f"{data.topic} | wc -l", f"cat {data.file} | wc -l", data.topic, data.file, _ratio(3)
        ),
        _Row(
            "pipe-long",
            f"into a pipe, {LONG} times as much",
            f"{data.long} | wc -l",
            f"cat {several} | wc -l",
            data.long,
            data.long,
            _ratio(3),
        ),
        _Row("file", "into a file", f"{data.topic} > copy", f"cat {data.file} > copy", data.topic, data.file),
        *(
            _Row(name, title, f"{topic} {words} | wc -l", f"cat {file} | wc -l", topic, file, _rate(data, rate))
            for name, title, words, topic, file, rate in (
                ("keys", "-K", f"-K '{data.delimiter}'", data.keyed, data.few, 3e6),
                ("format", _FORMAT, _FORMAT, data.keyed, data.few, 3e6),
                ("json", "--json", "--json", data.fewest_topic, data.fewest, 5e5),
            )
        ),
        *(
            _Row(
                f"grep-{name}",
                f"--grep, {what}",
                f"{topic} --grep '{pattern}' | wc -l",
                f"grep '{pattern}' {file} | wc -l",
                topic,
                file,
                target,
            )
            for name, what, pattern, topic, file, target in (
                ("rare", "a rare string", data.rare, data.topic, data.file, _ratio(0.5)),
                ("regex", "a rare regex", data.regex, data.few_topic, data.few, _ratio(0.5)),
                ("frequent", "a frequent string", data.frequent, data.few_topic, data.few, None),
            )
        ),
    ]
    return [row.case(data) for row in rows if row.counted != JSON.long]  # lines of either length do: it takes 2 GB


class _Row(NamedTuple):
    """A consume and what it is compared with; counted: the input whose lines both read."""

    name: str
    title: str
    ours: str
    theirs: str
    topic: str
    counted: str
    target: Target | None = None

    def case(self, data: Input) -> Case:
        after = ("rm copy",) if self.name == "file" else ()
        file = data.file if self.counted == data.long else self.counted
        pair = Pair(
            Side(f"streamcli consume {self.ours}", after=after, reads=(self.topic,)),
            Side(self.theirs, after=after, reads=(file,)),
            self.counted,
            needs=(self.topic, file),
        )
        title = f"consume {self.title}"
        return pair_case(f"consume-{self.name}", title, "consume", pair, input=data.name, target=self.target)


def _group(data: Input) -> list[Case]:
    """A new group each time, which is deleted after. A run of COMMAND gets up to 8 MiB, as one of split's filter does."""
    add = "awk '{n += $1} END {print n}'"
    commands = (
        ("group", "consume -g", f"streamcli consume {data.topic} -g new | wc -l", f"cat {data.file} | wc -l"),
        (
            "command",
            "consume -g, -- COMMAND",
            f"streamcli consume {data.topic} -g new -- wc -l | {add}",
            f"split -C 8M --filter='wc -l' {data.file} | {add}",
        ),
    )
    return [
        pair_case(
            f"consume-{name}",
            title,
            "consume",
            Pair(
                Side(ours, after=("streamcli groups delete new",), reads=(data.topic,)),
                Side(theirs, reads=(data.file,)),
                data.file,
                needs=(data.topic,),
            ),
            input=data.name,
        )
        for name, title, ours, theirs in commands
    ]


def _ratio(bound: float) -> Target:
    return Target("ratio", ">=", bound)


def _rate(data: Input, bound: float) -> Target | None:
    """Records a second are promised of the short lines only."""
    return Target("ours", ">=", bound) if data is ACCESS else None

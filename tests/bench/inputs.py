"""The inputs of the benchmark, and what is made of them for cases to read: files and topics, by name."""

from __future__ import annotations

from typing import NamedTuple


class Input(NamedTuple):
    """file has lines of `size` bytes, newline included; few: a third of them, for what takes records apart; fewest: a tenth, for
    JSON.

    delimiter: what ends the key in a line; rare: a string that one line in 100,000 has (access log) or in 10,000 (JSON);
    regex: a pattern, no plain string, that about as few match; frequent: a string that more than half of the lines have.
    """

    name: str
    file: str
    few: str
    fewest: str
    size: int
    delimiter: str
    rare: str
    regex: str
    frequent: str

    @property
    def topic(self) -> str:
        """The topic that holds `file`, on one partition."""
        return self.name

    @property
    def long(self) -> str:
        """The topic that holds `file` LONG times."""
        return f"{self.name}-long"

    @property
    def few_topic(self) -> str:
        """The topic that holds `few`."""
        return f"{self.name}-few"

    @property
    def fewest_topic(self) -> str:
        return f"{self.name}-fewest"

    @property
    def keyed(self) -> str:
        """The topic that holds `few` with keys, on one partition."""
        return f"{self.name}-keyed"

    @property
    def envelopes(self) -> str:
        """What consume --json makes of `fewest`."""
        return f"{self.name}.envelopes"

    def lines(self, records: int) -> dict[str, int]:
        """How many lines each file has, and the long topic, where the input is made of so many access-log lines."""
        count = records // (1 if self.size == 83 else LONG_SHARE)
        shorter = {self.few: count // FEW_SHARE, self.fewest: count // FEWEST_SHARE}
        return {self.file: count, **shorter, self.long: count * LONG}


ACCESS = Input(
    name="access",
    file="access.log",
    few="access-few.log",
    fewest="access-fewest.log",
    size=83,
    delimiter=" ",
    rare="2026:00:00:42",
    regex='"GET /[0-9]*777[0-9] HTTP/1.1" 500',
    frequent=" 200 ",
)
JSON = Input(
    name="json",
    file="json.log",
    few="json-few.log",
    fewest="json-fewest.log",
    size=1024,
    delimiter=",",
    rare='"seq":42,',
    regex='"seq":[0-9]77,',
    frequent='"level":"info"',
)
INPUTS = (ACCESS, JSON)

LONGEST = "longest.log"
"""One line of 16 MiB, the longest record that is taken by default."""

LONG_SHARE, FEW_SHARE, FEWEST_SHARE = 10, 3, 10
"""There are that many times fewer of the long lines, and in a short input."""

LONG = 4


def _made(data: Input) -> dict[str, tuple[tuple[str, ...], str]]:
    head = f'head -n "$(($(wc -l < {data.file}) / {{}}))" {data.file} > {{}}'
    several = " ".join([data.file] * LONG)
    return {
        data.file: ((), ":"),
        data.few: ((), head.format(FEW_SHARE, data.few)),
        data.fewest: ((), head.format(FEWEST_SHARE, data.fewest)),
        data.topic: ((), f"streamcli produce {data.topic} {data.file}"),
        data.long: ((), f"streamcli produce {data.long} {several}"),
        data.few_topic: ((data.few,), f"streamcli produce {data.few_topic} {data.few}"),
        data.fewest_topic: ((data.fewest,), f"streamcli produce {data.fewest_topic} {data.fewest}"),
        data.keyed: ((data.few,), f"streamcli produce {data.keyed} -K '{data.delimiter}' {data.few}"),
        data.envelopes: ((data.fewest_topic,), f"streamcli consume {data.fewest_topic} --json > {data.envelopes}"),
    }


_AS_XADD = (
    r"""awk '{printf "*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$4\r\nline\r\n$%d\r\n%s\r\n", length($0), $0}'"""
    f" {ACCESS.fewest} > access.resp"
)
"""Redis' protocol, for redis-cli --pipe."""

MADE: dict[str, tuple[tuple[str, ...], str]] = {
    **{name: made for data in INPUTS for name, made in _made(data).items()},
    "access.resp": ((ACCESS.fewest,), _AS_XADD),
    LONGEST: ((), f"head -c {16 << 20} /dev/zero | tr '\\0' x > {LONGEST} && echo >> {LONGEST}"),
    "longest": ((LONGEST,), f"streamcli produce longest {LONGEST}"),
    "small": ((), "echo x | streamcli produce small"),
    "single": ((), "echo k:x | streamcli produce single -K :"),
    "one.offsets": (("single",), "streamcli consume single -g one && streamcli groups export one > one.offsets"),
}
"""How a file or topic that cases name as needed is made: what it needs itself, and the line of shell."""

"""Making a damaged commit journal usable again, from the lines that are whole."""

from __future__ import annotations

from typing import NamedTuple

from streamcli.groups.assignment import TopicPartition
from streamcli.groups.journal import FIRST_LINE, Commit, DamagedCommits, Journal, decode_line, newest


class Salvaged(NamedTuple):
    """kept: the file with a copy of the damaged journal; dropped: lines of it that could not be read; committed: what the
    group's offsets are now."""

    kept: str
    dropped: int
    committed: dict[TopicPartition, int]


def salvage(journal: Journal) -> Salvaged | None:
    """Replace a damaged journal by its whole lines; None when there is nothing to do any more.

    DamagedCommits where no commit is left: a group that begins anew is for a person to decide.
    """
    with journal.locked():
        try:
            journal.read()
            return None
        except DamagedCommits as error:
            damage = error
        commits, dropped = whole_lines(journal.read_bytes())
        if not commits:
            raise damage
        kept = journal.replace(commits)
    return Salvaged(kept, dropped, newest(commits))


def whole_lines(data: bytes) -> tuple[list[Commit], int]:
    """The commits in the lines of a journal that pass their checksum, and how many lines do not."""
    commits: list[Commit] = []
    dropped = 0
    lines = data.removeprefix(FIRST_LINE).split(b"\n")
    for line in filter(None, lines):
        found = decode_line(line)
        if found is None:
            dropped += 1
        else:
            commits += found
    return commits, dropped

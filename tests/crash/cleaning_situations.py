"""What meets a fault while old records are removed: retention, compaction, trim, the writers' own cleaning; and alter."""

from __future__ import annotations

import json
from pathlib import Path

from tests.crash import aftermath, cleaning_aftermath
from tests.crash.forked import Commands
from tests.crash.situations import BATCHES, KEYED, LOG, PRODUCE, Scenario, _files, _flat, _portions, lines, values

CLEAN = ["topics", "clean"]


def _config(**settings: object) -> None:
    """Change the topic's config: no writer has acted on it yet."""
    path = Path("../log/topics/t/config.json")
    found = json.loads(path.read_bytes())
    found["config"] |= {name.replace("_", "."): value for name, value in settings.items()}
    path.write_text(json.dumps(found))


def _compactable(commands: Commands) -> None:
    """Keys that are written over and over, in segments of 1 KiB, some of them once; two are deleted."""
    commands.ok("topics", "create", "t", "--segment-bytes", "1K")
    for number in range(2):
        once = b"once%d:once%d first and last\n" % (number, number)
        commands.ok(*PRODUCE, stdin=once + lines(values(20 * number, 20 * number + 20, 40)))
    commands.ok("produce", "t", "-K", ":", "-Z", stdin=cleaning_aftermath.TOMBSTONES)
    commands.ok(*PRODUCE, stdin=lines(tuple(value for value in values(40, 60, 40) if value[:2] not in (b"k1", b"k3"))))
    _config(cleanup_policy="compact")


def _to_merge(commands: Commands) -> None:
    """Small segments that fit into one, one of them compacted before; the tombstones in it may go."""
    _compactable(commands)
    _config(delete_retention_ms=0)
    commands.ok(*CLEAN)
    for first in (100, 130):
        commands.ok(*PRODUCE, stdin=lines(values(first, first + 30, 40)))
    _config(segment_bytes=1 << 20)


def _superseded(commands: Commands) -> None:
    """What a cleaner leaves that dies before it removes what it has compacted."""
    _compactable(commands)
    before = {path: path.read_bytes() for path in LOG.iterdir() if path.suffix in (".log", ".index")}
    commands.ok(*CLEAN)
    for path, data in before.items():
        if not path.exists():
            path.write_bytes(data)


def _long(commands: Commands) -> None:
    """Segments of two batches each; a group is at the first."""
    commands.ok("topics", "create", "t", "--segment-bytes", "1K")
    for number in range(8):
        commands.ok(*PRODUCE, stdin=lines(values(10 * number, 10 * number + 10, 40)))
    commands.ok("consume", "-g", "g", "t", "-n", "3")


def _too_long(commands: Commands) -> None:
    """Retention leaves some of them."""
    _long(commands)
    _config(retention_bytes=2 << 10)


def _too_long_and_compactable(commands: Commands) -> None:
    _too_long(commands)
    _config(cleanup_policy="compact,delete")


def _all_aged(commands: Commands) -> None:
    """All records have passed retention.ms, those of the active segment too."""
    _long(commands)
    _config(retention_ms=0)


def _rolls_compacted(commands: Commands) -> None:
    _compactable(commands)
    _config(min_cleanable_dirty_ratio=0)
    _files(*_portions(200, 3, 400))


def _rolls_retained(commands: Commands) -> None:
    _too_long(commands)
    _files(*_portions(140, 3, 400))


CLEANED = (cleaning_aftermath.check_cleaned,)
RETAINED = (cleaning_aftermath.check_is_suffix, cleaning_aftermath.check_cleaned)
PORTIONS = {first: _flat(_portions(first, 3, 400)) for first in (140, 200)}

SCENARIOS = (
    Scenario("retention", CLEAN, RETAINED, _too_long, share=0.5),
    Scenario("retention of all there is", CLEAN, RETAINED, _all_aged, share=0.3),
    Scenario("compaction", CLEAN, CLEANED, _compactable, share=0.4),
    Scenario("compaction and retention", CLEAN, CLEANED, _too_long_and_compactable, share=0.2),
    Scenario("compaction again, merging segments", CLEAN, CLEANED, _to_merge, share=0.5),
    Scenario("remove what was compacted", CLEAN, CLEANED, _superseded, share=0.5),
    Scenario(
        "roll, and compact",
        [*PRODUCE, *BATCHES],
        (cleaning_aftermath.check_produced,),
        _rolls_compacted,
        values=PORTIONS[200],
        share=0.2,
    ),
    Scenario(
        "roll, and apply retention",
        ["produce", "t", *KEYED, "--offsets", *BATCHES],
        (cleaning_aftermath.check_is_suffix, cleaning_aftermath.check_produced),
        _rolls_retained,
        values=PORTIONS[140],
        share=0.2,
    ),
    Scenario("trim", ["topics", "trim", "t", "--before", "33"], RETAINED, _long, share=0.5),
    Scenario("trim all", ["topics", "trim", "t", "--before", "end"], RETAINED, _long, share=0.3),
    Scenario(
        "topics alter",
        ["topics", "alter", "t", "-p", "3", "-c", "retention.ms=7d"],
        (aftermath.check_untouched, cleaning_aftermath.check_altered),
        _long,
        share=0.5,
    ),
)

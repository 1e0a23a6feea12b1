"""Looking at groups, and waiting for them to get somewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.command import ok
from tests.support.waiting import wait_until


def described(group: str) -> list[dict[str, Any]]:
    """What `groups describe --json` says of each partition."""
    return [json.loads(line) for line in ok("groups", "describe", group, "--json").splitlines()]


def offsets(group: str) -> dict[tuple[str, int], int]:
    """The committed offsets, as `groups export` gives them."""
    found = [json.loads(line) for line in ok("groups", "export", group).splitlines()]
    return {(entry["topic"], entry["partition"]): entry["offset"] for entry in found}


def owners(group: str) -> set[str]:
    """The members that consume something now."""
    return {state["member"] for state in described(group)} - {None}


def wait_for_members(log_directory: Path, group: str, count: int) -> None:
    """Wait until a group has as many members' files."""
    members = log_directory / "groups" / group / "members"

    def are_there() -> bool:
        return members.is_dir() and len([name for name in members.iterdir() if name.name[0] != "+"]) == count

    wait_until(are_there, f"{count} members in {group}")

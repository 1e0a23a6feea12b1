"""The messages in the code: what error classes are called with, as patterns."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import streamcli

# What is raised and never said as it is: what stands for it is said by who catches it.
_INNER = {"InvalidBatch", "CommandFailed", "LostRecords", "RemovedRecords"}


def messages() -> list[str]:
    """A pattern for each message of a StreamcliError in streamcli/, with .* where a value stands."""
    root = Path(streamcli.__file__).parent
    # What the library adds is said to who calls it, in Python: tests/library. With a cluster behind: tests/kafka, tests/mirror.
    apart = [root / name for name in ("library", "kafka", "mirror")]
    paths = [path for path in root.rglob("*.py") if not any(path.is_relative_to(folder) for folder in apart)]
    trees = [ast.parse(path.read_text()) for path in paths]
    errors = _subclasses(trees) - _INNER
    found = {pattern for tree in trees for call in _calls(tree) if _name(call) in errors for pattern in _patterns(call)}
    return sorted(found)


def _subclasses(trees: list[ast.AST]) -> set[str]:
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    errors = {"StreamcliError"}
    while True:
        more = {each.name for each in classes if any(getattr(base, "id", "") in errors for base in each.bases)} - errors
        if not more:
            return errors
        errors |= more


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _patterns(call: ast.Call) -> Iterator[str]:
    """Of the first argument, where that is a text with a word in it: others pass a message on."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
        yield re.escape(first.value)
    elif isinstance(first, ast.JoinedStr):
        pieces = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in first.values]
        if re.search("[a-z]{3}", "".join(pieces)):
            yield "".join(pieces)

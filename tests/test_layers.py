"""Imports go down only, and each thing the kernel keeps has one owner."""

from __future__ import annotations

import ast
from pathlib import Path

import streamcli

ROOT = Path(streamcli.__file__).parent
LAYERS = ("cli", "library", "mirror", "kafka", "engine", "groups", "storage", "record")
MAY_IMPORT = {
    "cli": {"cli", "mirror", "kafka", "engine", "groups", "storage", "record"},
    "library": {"library", "engine", "groups", "storage", "record"},
    "mirror": {"mirror", "kafka", "engine", "groups", "storage", "record"},
    "kafka": {"kafka", "engine", "groups", "storage", "record"},
    "engine": {"engine", "groups", "storage", "record"},
    "groups": {"groups", "storage", "record"},
    "storage": {"storage", "record"},
    "record": {"record"},
}
# A module, or a call through one -> the files that may use it.
OWNERS = {
    "typer": {"cli/help.py"},
    "filelock": {"storage/locks.py"},
    "fcntl.flock": {"storage/locks.py"},
    "fcntl.lockf": set(),
    "inotify_simple": {"storage/watch.py"},
    **{
        f"os.{name}": {"storage/durable.py"}
        for name in ("fsync", "fdatasync", "sync", "rename", "replace", "ftruncate", "truncate")
    },
}
SOURCES = {str(path.relative_to(ROOT)): ast.parse(path.read_bytes()) for path in sorted(ROOT.rglob("*.py"))}


def imports(tree: ast.AST) -> set[str]:
    """Every module imported, anywhere in the file, as the dotted names that the import statement could bind."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def uses(tree: ast.AST) -> set[str]:
    """Imports, and attributes taken from a plain name: `os.fsync`."""
    attributes = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return attributes | imports(tree)


def test_imports_go_down_only():
    for file, tree in SOURCES.items():
        layer = file.split("/")[0]
        imported = {name.split(".")[1] for name in imports(tree) if name.startswith("streamcli.")} & set(LAYERS)
        assert imported <= MAY_IMPORT.get(layer, set(LAYERS)), file


def test_each_thing_the_kernel_keeps_has_one_owner():
    for thing, owners in OWNERS.items():
        users = {file for file, tree in SOURCES.items() if any(f"{use}.".startswith(f"{thing}.") for use in uses(tree))}
        assert users == owners or (not users and thing.startswith("os.")), thing


def test_only_commands_draw():
    users = {file for file, tree in SOURCES.items() if any(f"{use}.".startswith("rich.") for use in imports(tree))}
    assert users
    assert all(file.startswith("cli/") for file in users), users

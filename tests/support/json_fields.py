"""Fields of printed objects, against what streamcli-json(5) says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from streamcli.cli.manual_json import Field

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def check_fields(objects: Iterable[dict[str, Any]], documented: Iterable[Field], where: str) -> set[str]:
    """The names of all fields seen; AssertionError where one is not documented, or has a value of another type."""
    fields = {field.name: field for field in documented}
    seen: set[str] = set()
    for name, value in (pair for found in objects for pair in values(found)):
        assert name in fields, (where, name)
        seen.add(name)
        words = re.findall("|".join(TYPES), re.sub(r"\(.*?\)", "", fields[name].type))
        assert any(type(value) in TYPES[word] for word in words), (where, name, value)  # in Python a bool is an int
        if fields[name].about.startswith('"'):
            assert f'"{value}"' in fields[name].about, (where, name, value)
    return seen


def values(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of each field, of objects within and of lists of them too; the config is one field."""
    for name, value in found.items():
        yield prefix + name, value
        inner = [] if name == "config" else value if isinstance(value, list) else [value]
        for each in inner:
            if isinstance(each, dict):
                yield from values(each, f"{prefix}{name}.")

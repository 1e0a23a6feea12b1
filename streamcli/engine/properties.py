"""Properties of librdkafka that a user gives, one by one and in a file."""

from __future__ import annotations

import os

from streamcli.record.errors import UsageError


def parse_property(text: str) -> tuple[str, str]:
    """NAME=VALUE. The value is not repeated in an error: it may be a secret."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError("no property: use NAME=VALUE, as in security.protocol=ssl")
    return name.strip(), value.strip()


def read_properties(path: str) -> dict[str, str]:
    """The properties in a file: NAME=VALUE a line, # begins a comment line; UsageError, which names the line."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"the properties file is no UTF-8 text ({path}): save it as such") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"the properties file cannot be read ({path}): {reason}: give one with NAME=VALUE a line"
        ) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                name, value = parse_property(line)
            except UsageError as error:
                raise UsageError(f"{error} ({path}, line {number})") from None
            found[name] = value
    return found

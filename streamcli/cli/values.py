"""What people type, and what it means: sizes, durations, times, escapes, offset ranges."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from streamcli.record.errors import UsageError, did_you_mean
from streamcli.record.range import BEGINNING, END, LAST, OFFSET, TIME, Bound, Range

_MAX_DIGITS = 100
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATIONS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}


@contextmanager
def naming(what: str) -> Iterator[None]:
    """A UsageError from inside names the option or setting whose value it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None


def _amount(text: str, units: dict[str, int]) -> int | None:
    """A number and a unit, as a whole number of the smallest unit; None when it is not that."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = units.get(text[len(number) :])
    if unit is None or len(number) > _MAX_DIGITS or not number.isascii() or not number.replace(".", "", 1).isdigit():
        return None
    return int(number) * unit if number.isdigit() else round(float(number) * unit)


def parse_number(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise UsageError(f"bad number {text[:40]!r}: use digits, as in 10")
    return int(text)


def parse_size(text: str) -> int:
    """Bytes: 512, 64K, 256M, 1G; K is 1024."""
    found = _amount(text[:-1] if text[-1:] == "B" else text, _SIZES)
    if found is None:
        raise UsageError(f"bad size {text!r}: use bytes or a unit, as in 512, 64K, 256M, 1G")
    return found


def parse_duration(text: str) -> int:
    """ms: 500ms, 30s, 15m, 2h, 7d."""
    found = None if text.replace(".", "", 1).isdigit() and text != "0" else _amount(text, _DURATIONS | {"": 1})
    if found is None:
        raise UsageError(f"bad duration {text!r}: use a number and a unit, as in 500ms, 30s, 15m, 2h, 7d")
    return found


def unlimited_or(parse: Callable[[str], int]) -> Callable[[str], int]:
    """A parser that takes `unlimited` too, which is -1."""
    return lambda text: -1 if text in ("unlimited", "-1") else parse(text)


def parse_time(text: str, now_ms: int) -> int:
    """ms since the epoch: RFC 3339, a date, a date and time (local where no zone is given), @MS, a duration ago, now, today, yesterday."""
    if text[:1] == "@" and text[1:].isascii() and text[1:].isdigit() and len(text) <= _MAX_DIGITS:
        return int(text[1:])
    if text == "now":
        return now_ms
    if text in ("today", "yesterday"):
        midnight = datetime.fromtimestamp(now_ms / 1000).replace(hour=0, minute=0, second=0, microsecond=0)
        return _to_ms(midnight if text == "today" else midnight - timedelta(days=1))
    ago = _amount(text, _DURATIONS)
    if ago is not None:
        return now_ms - ago
    try:
        return _to_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError, OSError):
        forms = (
            "use 2026-11-22, '2026-11-22 08:00', 2026-11-22T08:00:00Z, @1700000000000 (ms), a duration ago (2h), now, today or "
            "yesterday"
        )
        raise UsageError(f"bad time {text!r}: {did_you_mean(text, ('now', 'today', 'yesterday'), forms)}") from None


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def format_time(timestamp: int) -> str:
    """RFC 3339 in UTC, to the ms; outside the years 1 to 9999 the number of ms."""
    try:
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=timestamp)
    except OverflowError:
        return f"@{timestamp}"
    return moment.isoformat(timespec="milliseconds") + "Z"


def format_size(size: float) -> str:
    """Bytes for people: 512 B, 1.2 MB (of 1000, as disks are sold)."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def size_or_dash(size: float | None, seconds: float = 1) -> str:
    """Bytes in each of so many seconds; - where that is not known."""
    return "-" if size is None else format_size(size / seconds)


def format_duration(milliseconds: int) -> str:
    """The shortest exact way to write it: 7d, 90s, 1500ms."""
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _DURATIONS[unit] == 0:
            return f"{milliseconds // _DURATIONS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_escapes(text: str) -> bytes:
    r"""The bytes of an argument with \n \t \r \0 \\ and \xNN."""
    pieces = text.split("\\")
    out = [os.fsencode(pieces[0])]
    rest = iter(pieces[1:])
    for piece in rest:
        if piece == "":  # two backslashes in a row: one, and what follows is plain
            out.append(b"\\" + os.fsencode(next(rest, "")))
        elif piece[0] == "x":
            try:
                out.append(bytes([int(piece[1:3], 16)]) + os.fsencode(piece[3:]))
            except ValueError:
                raise UsageError(
                    f"bad escape \\{piece[:3]} in {text!r}: use \\xNN with two hexadecimal digits"
                ) from None
        elif piece[0] in _ESCAPES:
            out.append(_ESCAPES[piece[0]] + os.fsencode(piece[1:]))
        else:
            raise UsageError(f"bad escape \\{piece[0]} in {text!r}: there is \\n \\t \\r \\0 \\\\ and \\xNN")
    return b"".join(out)


def parse_delimiter(text: str) -> bytes:
    """A delimiter of one byte or more."""
    delimiter = parse_escapes(text)
    if not delimiter:
        raise UsageError(
            "bad delimiter '': it has to be one byte or more; --whole takes all of the input as one record"
        )
    return delimiter


def parse_header(text: str) -> tuple[str, bytes]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"bad header {text!r}: use NAME=VALUE")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(f"bad header name {name!r}: it has to be UTF-8") from None
    return name, os.fsencode(value)


def parse_range(text: str, now_ms: int) -> Range:
    """beginning, end, N, -N, @TIME, and START:STOP of these: :N, A:B, @T1:@T2 (stop excluded)."""
    start, stop = _split_range(text)
    wanted = Range(
        Bound(BEGINNING) if start == "" and text != "" else _bound(start, text, now_ms),
        Bound(END) if stop == "" else _bound(stop, text, now_ms),
    )
    first, last = wanted
    if last.kind not in (OFFSET, TIME, END):
        raise UsageError(f"bad offset range {text!r}: it stops at an offset, a @TIME, or end")
    if first.kind == last.kind and first.kind in (OFFSET, TIME) and first.number > last.number:
        raise UsageError(f"bad offset range {text!r}: it stops before it starts")
    return wanted


def _split_range(text: str) -> tuple[str, str]:
    """(start, stop). A time may hold colons itself, so a range of times is split where ':@' is, or at its outer ends."""
    if text[:1] != "@":
        start, _, stop = text.partition(":")
        return start, stop
    start, found, stop = text.partition(":@")
    return (start, "@" + stop) if found else (text.removesuffix(":"), "")


def _bound(text: str, whole: str, now_ms: int) -> Bound:
    if text in (BEGINNING, END):
        return Bound(text)
    if text[:1] == "@":
        time = text if text[1:].isdigit() else text[1:]
        return Bound(TIME, parse_time(time, now_ms))
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS:
        return Bound(LAST if text[0] == "-" else OFFSET, int(digits))
    forms = "use beginning, end, N, -N (the last N), @TIME, or START:STOP, as in 10:20, :20, @2h:@1h"
    raise UsageError(f"bad offset {whole!r}: {did_you_mean(text, (BEGINNING, END), forms)}")

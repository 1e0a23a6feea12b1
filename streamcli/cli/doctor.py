"""The doctor command: the log directory, the machine, and the person's setup, a line for each thing looked at."""

from __future__ import annotations

import json as json_text
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from streamcli.cli.commands import COMMANDS
from streamcli.cli.context import Context, show
from streamcli.cli.defaults import check_all, common_flags, config_path, settable, variable
from streamcli.cli.flags import suggestion
from streamcli.cli.manual import ENVIRONMENT
from streamcli.cli.width import print_folded
from streamcli.engine.doctor import (
    OK,
    PROBLEM,
    WARNING,
    Finding,
    examine_directory,
    examine_holds,
    examine_limits,
    examine_topics,
)
from streamcli.record.errors import UsageError

_PACKAGES = ("msgpack", "filelock", "typer", "rich", "inotify_simple", "backports.zstd", "lz4")
_OPTIONAL = {"backports.zstd": "streamcli[zstd]", "lz4": "streamcli[lz4]"}

_OF_A_RUN = ("TOPIC", "PARTITION", "OFFSET", "LAST_OFFSET", "KEY", "ATTEMPT")
"""What consume -- COMMAND sets: STREAMCLI_TOPIC and so on."""


def run(context: Context, json: bool) -> int:
    """Tell what was found; 1 when something of it is a problem."""
    findings = list(
        chain(
            examine_directory(context.path),
            examine_topics(context.path),
            examine_holds(context.path),
            examine_limits(context.path),
            _versions(),
            _setup(),
            _terminal(),
            _completion(),
        )
    )
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        if json:
            print(json_text.dumps(finding._asdict(), ensure_ascii=False))
        else:
            remedy = f": {finding.remedy}" if finding.remedy else ""
            print_folded(show(finding.found + remedy), f"{finding.state:7}  {finding.check:{width}}  ")
    return 1 if any(finding.state == PROBLEM for finding in findings) else 0


def _versions() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    import crc32c

    from streamcli import __version__

    system = os.uname()
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("versions", OK, f"streamcli {__version__}, Python {python}, {system.sysname} {system.release}")
    checksum = f"crc32c {version('crc32c')}"
    if crc32c.hardware_based:
        yield Finding("versions", OK, f"{checksum}, in hardware")
    else:
        yield Finding(
            "versions", WARNING, f"{checksum}, in software", "checksums take ten times as long on this processor"
        )
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            if name not in _OPTIONAL or (name == "backports.zstd" and sys.version_info >= (3, 14)):
                continue
            missing.append(name)
    yield Finding("versions", OK, ", ".join(found))
    if missing:
        extras = " ".join(f"'{_OPTIONAL[name]}'" for name in missing)
        yield Finding("versions", OK, f"not installed: {', '.join(missing)}: to compress with it, pip install {extras}")


def _setup() -> Iterator[Finding]:
    path = config_path()
    try:
        check_all()
    except UsageError as error:
        yield Finding("defaults", PROBLEM, str(error), "mend it: see streamcli-config(5)")
    else:
        there = path is not None and os.path.exists(path)
        yield Finding(
            "defaults", OK, f"config file {path}" + ("" if there else ", not there") if path else "no config file"
        )
    known = _variables()
    for name, value in sorted(os.environ.items()):
        if name in known:
            yield Finding("environment", OK, f"{name}={value}")
        elif name.startswith("STREAMCLI_"):
            near = suggestion(name, known).removeprefix(": ").replace("see --help", "see streamcli-config(5)")
            yield Finding("environment", WARNING, f"{name} is set, and means nothing", near)


def _variables() -> set[str]:
    """The environment variables that mean something to streamcli."""
    known = {name for names, _ in ENVIRONMENT for name in names.split(", ") if name.startswith("STREAMCLI_")}
    known |= {f"STREAMCLI_{name}" for name in _OF_A_RUN}
    for command in COMMANDS.values():
        known |= {variable(name, command) for name in settable(command)}
        known |= {variable(name) for name in common_flags(command)}
    return known


def _terminal() -> Iterator[Finding]:
    import locale

    encoding = locale.getpreferredencoding(do_setlocale=False)
    if encoding.upper().replace("-", "") != "UTF8":
        yield Finding(
            "locale", WARNING, encoding, "set LANG to a UTF-8 one, as C.UTF-8: what is not ASCII is shown wrong"
        )
    else:
        yield Finding("locale", OK, encoding)
    if not sys.stdout.isatty():
        yield Finding("terminal", OK, "standard output is none: plain text, no colour")
        return
    surroundings = dict(os.environ)
    colour = "no colour (NO_COLOR)" if surroundings.get("NO_COLOR") else "colour"
    kind = surroundings.get("TERM", "")
    size = os.get_terminal_size(sys.stdout.fileno())
    found = f"TERM={kind}, {size.columns} x {size.lines}, {colour}"
    if kind in ("", "dumb"):
        yield Finding("terminal", WARNING, found, "set TERM to what the terminal is, to have colour and columns")
    else:
        yield Finding("terminal", OK, found)


def _completion() -> Iterator[Finding]:
    shell = os.path.basename(dict(os.environ).get("SHELL", ""))
    home = os.path.expanduser("~")
    places = {
        "bash": (".bashrc", ".bash_profile", ".bash_completion", ".local/share/bash-completion/completions/streamcli"),
        "zsh": (".zshrc", ".zprofile"),
        "fish": (".config/fish/completions/streamcli.fish", ".config/fish/config.fish"),
    }
    if shell not in places:
        yield Finding("completion", OK, f"none for {shell or 'an unknown shell'}: there is one for bash, zsh and fish")
        return
    for place in places[shell]:
        with suppress(OSError), open(os.path.join(home, place), "rb") as file:
            if b"streamcli" in file.read(1 << 20):
                yield Finding("completion", OK, f"{shell}, by ~/{place}")
                return
    yield Finding(
        "completion", WARNING, f"{shell}: not in {', '.join('~/' + place for place in places[shell])}", _install(shell)
    )


def _install(shell: str) -> str:
    if shell == "fish":
        return "streamcli completion fish > ~/.config/fish/completions/streamcli.fish"
    return f"""echo 'eval "$(streamcli completion {shell})"' >> ~/.{shell}rc"""

"""main(): finds the command, runs it, and is the only place that turns an error into an exit status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Set
from importlib import import_module
from typing import Any, NoReturn

from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.context import STANDARD_OUTPUT, Context, Place, complain
from streamcli.cli.defaults import filled
from streamcli.cli.flags import Command, HelpWanted, parse_given, suggestion
from streamcli.cli.shared_flags import COMMON
from streamcli.cli.stop import Stopped, StopSignals
from streamcli.record.errors import CorruptData, StreamcliError, UsageError

COMPLETE_VARIABLE = "_STREAMCLI_COMPLETE"


def main() -> NoReturn:
    """The `streamcli` command."""
    _keep_standard_descriptors()
    try:
        status = run(sys.argv[1:])
    except Stopped as stopped:  # while it was being told what went wrong, or another signal was being obeyed
        status = stopped.status
    # What Python would still do, freeing modules one by one, takes a tenth of a short command's time.
    os._exit(status)


def _keep_standard_descriptors() -> None:
    """Fill closed descriptors 0 to 2, so that no file of ours becomes one of them, and using one still fails."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if fd == 0 else os.O_RDONLY)
    sys.stdin = sys.stdin or os.fdopen(0, "r", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # for as long as the process lives


def run(words: list[str]) -> int:
    """Run a command line and return its exit status; every error a user can cause ends here."""
    stop = StopSignals()
    try:
        stop.install()
        status = _dispatch(words, stop)
        _flush_output()
        return status
    except Stopped as stopped:
        return stopped.status
    except BrokenPipeError:
        return 0  # whoever read our output has enough
    except StreamcliError as error:
        complain(describe_error(error))
        return error.status
    except OSError as error:
        if error.errno == errno.EPIPE:
            return 0
        complain(describe_os_error(error))
        return 1


def _flush_output() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = STANDARD_OUTPUT
        raise


def describe_error(error: StreamcliError) -> str:
    """Its message; for damage with what to do about it, which is the same wherever it was met."""
    if isinstance(error, CorruptData) and "streamcli repair" not in str(error):
        return f"{error}: `streamcli verify` finds all damage, `streamcli repair` gives it up; --skip-corrupt reads past it"
    return str(error)


def reason_of(error: StreamcliError | OSError) -> str:
    """What went wrong, where a command goes on without it."""
    return describe_os_error(error) if isinstance(error, OSError) else str(error)


def describe_os_error(error: OSError) -> str:
    """What went wrong, where, and what to do."""
    reason = error.strerror or str(error)
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return f"{reason}{where}{_REMEDIES.get(error.errno or 0, '')}"


_REMEDIES = {
    errno.EACCES: ": ask its owner, or choose another log directory with --dir or STREAMCLI_DIR",
    errno.EPERM: ": ask its owner, or choose another log directory with --dir or STREAMCLI_DIR",
    errno.EIO: ": the disk fails, as dmesg may tell: save the log directory elsewhere, then `streamcli verify` it",
    errno.ENAMETOOLONG: ": use a shorter path",
    errno.ENOMEM: ": see free(1) and ulimit -v",
    errno.EROFS: ": it can be read, not written: choose another log directory with --dir or STREAMCLI_DIR",
    errno.ELOOP: ": remove it, or put there what it points at: see streamcli-sharing(7)",
    errno.ENOSPC: ": make room on the disk, then go on",
    errno.EFBIG: ": raise the limit with ulimit -f, then go on",
    errno.EDQUOT: ": make room in your quota, then go on",
    errno.EBADF: ": it is closed: give one, as in > FILE",
    errno.EMFILE: ": raise the limit with ulimit -n",
}
"""What to do, by what went wrong."""


def _dispatch(words: list[str], stop: StopSignals) -> int:
    shell = os.environ.get(COMPLETE_VARIABLE)
    if shell:
        return _complete(shell, words)
    if not words:
        from streamcli.cli.tour import show

        return show()
    leading, rest = _leading_options(words)
    if not rest:
        raise UsageError("a command is missing: see streamcli --help")
    if rest[0] in ("-h", "--help", "help"):
        return _help("show", rest[1:] and [*rest[1:], "--help"])
    name = f"{rest[0]} {rest[1]}" if rest[0] in GROUPS and len(rest) > 1 else rest[0]
    command = COMMANDS.get(name)
    if command is None:
        return _no_such_command(rest)
    try:
        given = parse_given(command, leading + rest[len(name.split(" ")) :])
    except HelpWanted:
        return _help("show", [*name.split(" "), "--help"])
    # What is wrong with the defaults is for doctor to tell.
    return _execute(command, filled(command, given, forgiving=name == "doctor"), given.keys(), stop)


def _leading_options(words: list[str]) -> tuple[list[str], list[str]]:
    """The common options in front of the command's name, and the rest."""
    flags = {name: flag for flag in COMMON for name in flag.names}
    leading: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-h", "--help", "--version"):
        word = rest.pop(0)
        flag = flags.get(word.partition("=")[0])
        if flag is None:
            raise UsageError(f"no such option before the command: {word}{suggestion(word, flags)}")
        leading.append(word)
        if flag.parse is not None and "=" not in word:
            if not rest:
                raise UsageError(f"{word} needs a value: {word} {flag.metavar}")
            leading.append(rest.pop(0))
    return leading, rest


def _execute(command: Command, values: dict[str, Any], given: Set[str], stop: StopSignals) -> int:
    place = Place.of(values, given)
    if place.url is not None and command.directory_only:
        raise UsageError(
            f"{command.name} {command.directory_only} ({place.url}): use it on a log directory, by --dir in place of --url"
        )
    context = Context(place, quiet=values.pop("quiet"), verbose=values.pop("verbose"), stop=stop)
    context.allow_descriptors()
    module, _, function = command.run.partition(":")
    status: int = getattr(import_module(module), function)(context, **values)
    return status


def _no_such_command(rest: list[str]) -> int:
    if rest[0] == "--version":
        from streamcli import __version__

        print(f"streamcli {__version__}")
        return 0
    if rest[0] in GROUPS:
        if len(rest) == 1 or rest[1] in ("-h", "--help"):
            return _help("show", [rest[0], "--help"])
        known = [name.split(" ")[1] for name in COMMANDS if name.startswith(rest[0] + " ")]
        raise UsageError(f"no such command: {rest[0]} {rest[1]}{suggestion(rest[1], known)}")
    within = next((name for name in COMMANDS if name.split(" ")[1:] == rest[:1]), None)
    if within is not None:
        raise UsageError(f"no such command: {rest[0]}: did you mean {within}?")
    names = {name.split(" ")[0] for name in COMMANDS}
    raise UsageError(f"no such command: {rest[0]}{suggestion(rest[0], names)}")


def _complete(shell: str, words: list[str]) -> int:
    from streamcli.cli.completion import answer

    return answer(shell, words)


def _help(function: str, *arguments: list[str]) -> int:
    """Call a function of the help module, which is imported only here: it takes longer than all the rest."""
    status: int = getattr(import_module("streamcli.cli.help"), function)(*arguments)
    return status

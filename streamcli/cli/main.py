"""main(): finds the command, runs it, and is the only place that turns an error into an exit status."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

from streamcli.cli.commands import COMMANDS, GROUPS
from streamcli.cli.context import Context, complain
from streamcli.cli.flags import Command, HelpWanted, parse_arguments, suggestion
from streamcli.cli.shared_flags import COMMON
from streamcli.cli.stop import Stopped, StopSignals
from streamcli.record.errors import StreamcliError, UsageError

COMPLETE_VARIABLE = "_STREAMCLI_COMPLETE"


def main() -> NoReturn:
    """The `streamcli` command."""
    _keep_standard_descriptors()
    status = run(sys.argv[1:])
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
        sys.stdout.flush()
        return status
    except Stopped as stopped:
        return stopped.status
    except BrokenPipeError:
        return 0  # whoever read our output has enough
    except StreamcliError as error:
        complain(str(error))
        return error.status
    except OSError as error:
        if error.errno == errno.EPIPE:
            return 0
        complain(describe_os_error(error))
        return 1


def describe_os_error(error: OSError) -> str:
    """What went wrong, where, and what to do."""
    reason = error.strerror or str(error)
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    remedy = {
        errno.EACCES: ": ask its owner, or choose another log directory with --dir or STREAMCLI_DIR",
        errno.EPERM: ": ask its owner, or choose another log directory with --dir or STREAMCLI_DIR",
        errno.EROFS: ": it can be read, not written: choose another log directory with --dir or STREAMCLI_DIR",
        errno.ELOOP: ": remove it, or put there what it points at: see streamcli-sharing(7)",
        errno.ENOSPC: ": make room on the disk, then go on",
        errno.EFBIG: ": raise the limit with ulimit -f, then go on",
        errno.EDQUOT: ": make room in your quota, then go on",
        errno.EMFILE: ": raise the limit with ulimit -n",
    }.get(error.errno or 0, "")
    return f"{reason}{where}{remedy}"


def _dispatch(words: list[str], stop: StopSignals) -> int:
    if os.environ.get(COMPLETE_VARIABLE):
        return _help("complete")
    if not words:
        return _help("show", [])
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
        values = parse_arguments(command, leading + rest[len(name.split(" ")) :])
    except HelpWanted:
        return _help("show", [*name.split(" "), "--help"])
    return _execute(command, values, stop)


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


def _execute(command: Command, values: dict[str, Any], stop: StopSignals) -> int:
    directory, timeout = values.pop("dir"), values.pop("lock_timeout")
    quiet, verbose = values.pop("quiet"), values.pop("verbose")
    context = Context(directory, timeout / 1000, quiet=quiet, verbose=verbose, stop=stop)
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


def _help(function: str, *arguments: list[str]) -> int:
    """Call a function of the help module, which is imported only here: it takes longer than all the rest."""
    status: int = getattr(import_module("streamcli.cli.help"), function)(*arguments)
    return status

"""Completion: the scripts of the shells, and the answers they get when TAB is pressed.

A script runs streamcli once a TAB, with the name of the shell in `_STREAMCLI_COMPLETE`:

    bash        arguments: the command line up to the cursor, and COMP_WORDBREAKS
    zsh, fish   arguments: the words up to the cursor, without quotes; the last is the one to complete, maybe empty

    answer := what else to offer, in words, a line; then the candidates, a line each
    what else := files | directories | command N (a command line begins at word N of the arguments, from 1) | nospace
    candidate := bash: what readline is to put in place of its word; zsh, fish: the whole word, and after a tab what it is

bash gets what fits alone; zsh and fish get everything that may stand there, and match it as their users set them up to.
Whatever goes wrong, nothing is offered: nobody wants an error in the middle of a line.
"""

from __future__ import annotations

import os

from streamcli.cli.candidates import Candidates, candidates
from streamcli.cli.context import Context
from streamcli.cli.shell_words import split_line
from streamcli.cli.upkeep_commands import SHELLS
from streamcli.record.errors import StreamcliError, UsageError, did_you_mean


def script(context: Context, shell: str) -> int:
    """Print a shell's completion script."""
    if shell not in SHELLS:
        known = did_you_mean(shell, SHELLS, f"there is {', '.join(SHELLS)}")
        raise UsageError(f"no completion for {shell!r}: {known}")
    path = os.path.join(os.path.dirname(__file__), "shells", f"streamcli.{shell}")
    with open(path, encoding="utf-8") as file:
        print(file.read(), end="")
    return 0


def answer(shell: str, arguments: list[str]) -> int:
    """Answer a script; see the module."""
    try:
        lines = _for_bash(*arguments) if shell == "bash" else _for_words(arguments)
    except (StreamcliError, OSError, TypeError, ValueError, IndexError):
        lines = []
    print("\n".join(lines))
    return 0


def _for_words(arguments: list[str]) -> list[str]:
    found = candidates(arguments[:-1], arguments[-1])
    return [_also(found), *(f"{word}\t{about}" if about else word for word, about in found.words)]


def _for_bash(line: str, breaks: str) -> list[str]:
    words, current = split_line(line, breaks)
    if current.redirected:
        return ["files"]
    found = candidates(words[1:], current.text)
    fitting = [word for word, _ in found.words if word.startswith(current.text)]
    return [_also(found), *(word[current.start :] for word in fitting)]


def _also(found: Candidates) -> str:
    open_ended = any(word.endswith(("=", ":")) for word, _ in found.words)
    return " ".join([*found.also, *(["nospace"] if open_ended else [])])

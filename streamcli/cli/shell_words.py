"""The words of a command line that is being typed in bash: its own split at = and : and keep their quotes."""

from __future__ import annotations

from typing import NamedTuple

_REDIRECTIONS = "<>"
_LEFT_IN_THE_WORD = "$@"
"""Where readline splits before and not after (bash's rl_special_prefixes)."""


class CurrentWord(NamedTuple):
    """The word that the cursor is in: its text without quotes, up to the cursor; where in it the part begins that readline
    takes for the word; and whether it is the file of a redirection."""

    text: str
    start: int
    redirected: bool


def split_line(line: str, breaks: str) -> tuple[list[str], CurrentWord]:
    """The words before the cursor, at the end of the line, and the one that it is in. Redirections are left out.

    breaks: bash's COMP_WORDBREAKS, at which readline splits what is not quoted.
    """
    words: list[str] = []
    text, start, quote = "", 0, ""
    begun = redirected = False
    rest = iter(line)
    for character in rest:
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"':
                text += _unescaped(next(rest, ""))
            else:
                text += character
        elif character in "'\"":
            quote, start, begun = character, len(text), True
        elif character == "\\":
            text, begun = text + next(rest, ""), True
        elif character in " \t\n" or character in _REDIRECTIONS:
            if begun and not redirected and not (character in _REDIRECTIONS and text.isdigit()):
                words.append(text)
            if character in _REDIRECTIONS:
                redirected = True
            elif begun:
                redirected = False
            text, start, begun = "", 0, False
        else:
            text, begun = text + character, True
            if character in breaks:
                start = len(text) - (character in _LEFT_IN_THE_WORD)
    return words, CurrentWord(text, start, redirected)


def _unescaped(character: str) -> str:
    """What a backslash and this stand for in double quotes."""
    return character if character in '$`"\\' else "\\" + character

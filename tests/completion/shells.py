"""Interactive shells on a terminal of their own, with streamcli's completion loaded as README says to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.project import shell_environment
from tests.support.terminal import Terminal, program_on_terminal

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")

# Each start-up file binds two keys: one prints the line as it stands and empties it, the other inserts all candidates.
_SHOW, _ALL, _READY = b"\x18l", b"\x18a", b"READY$ "

_BASH = r"""
show_line() { printf 'LINE<%s>EOL' "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\C-xl": show_line'
bind '"\C-xa": insert-completions'
PS1='READY$ '
"""

_ZSH = r"""
show_line() { print -rn -- "LINE<$BUFFER>EOL"; BUFFER= }
zle -N show_line
bindkey '^Xl' show_line
zle -C all-matches complete-word _generic
bindkey '^Xa' all-matches
zstyle ':completion:all-matches:*' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert yes
PS1='READY$ '
"""

_FISH = r"""
function show_line; printf 'LINE<%s>EOL' (commandline); commandline ''; end
function show_all; commandline -r -- (string join ' ' -- (complete -C (commandline) | string replace -r '\t.*' '')); end
bind \cxl show_line
bind \cxa show_all
function fish_prompt; printf 'READY$ '; end
"""

_LOAD = {
    "bash": 'eval "$(streamcli completion bash)"\n',
    "bash-completion": f'. {BASH_COMPLETION}\neval "$(streamcli completion bash)"\n',
    "zsh": 'autoload -Uz compinit; compinit -D\neval "$(streamcli completion zsh)"\n',
    "fish": "streamcli completion fish | source\n",
}

FIND = {
    "bash-completion": f". {BASH_COMPLETION}\n",
    "zsh": "fpath=($XDG_DATA_DIRS/zsh/site-functions $fpath); autoload -Uz compinit; compinit -D\n",
    "fish": "",
}
"""What makes a shell look for scripts that are installed, where XDG_DATA_DIRS says; zsh has its own list."""


class Shell:
    """A running shell; what is typed goes to its line editor."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lines = 0

    def after_tab(self, line: str) -> str:
        """The command line after this was typed, and TAB."""
        return self._edited(line.encode() + b"\t" + _SHOW)

    def all_candidates(self, line: str) -> set[str]:
        """What may take the place of the last word, which holds no quote."""
        edited = self._edited(line.encode() + _ALL + _SHOW)
        kept = line.rpartition(" ")[0]
        return set(edited.removeprefix(kept).split())

    def shown(self) -> str:
        """All that the terminal showed."""
        return self._terminal.shown.decode(errors="replace")

    def wait_until_ready(self) -> None:
        self._terminal.see(lambda shown: _READY in shown)

    def _edited(self, keys: bytes) -> str:
        self._lines += 1
        self._terminal.type(keys)
        shown = self._terminal.see(lambda shown: shown.count(b">EOL") == self._lines)
        return shown.rpartition(b"LINE<")[2].partition(b">EOL")[0].decode()


NAMES = ("bash", "bash-completion", "zsh", "fish")


@contextmanager
def interactive(
    name: str, scratch: Path, *, under: Sequence[str] = (), load: str | None = None, **variables: str
) -> Iterator[Shell]:
    """A shell of NAMES, at its prompt, after it ran `load` (as README says, if None). Skips the test where it is not installed."""
    command = _command(name, scratch, _LOAD[name] if load is None else load)
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    environment = {**shell_environment(), "HOME": str(scratch), "ZDOTDIR": str(scratch), **variables}
    with program_on_terminal([*under, *command], environment, columns=400) as terminal:
        shell = Shell(terminal)
        shell.wait_until_ready()
        yield shell


def _command(name: str, scratch: Path, load: str) -> list[str]:
    start_up = scratch / {"zsh": ".zshrc"}.get(name, f"{name}.start")
    if name == "fish":
        start_up.write_text(load + _FISH)
        return ["fish", "--interactive", "--init-command", f"source {start_up}"]
    if name == "zsh":
        start_up.write_text(load + _ZSH)
        return ["zsh", "--no-globalrcs", "--interactive"]
    if name == "bash-completion" and not BASH_COMPLETION.exists():
        pytest.skip("bash-completion is not installed")
    start_up.write_text(load + _BASH)
    return ["bash", "--rcfile", str(start_up), "-i"]

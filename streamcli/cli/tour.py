"""What `streamcli` alone prints: what to do first, and which commands there are."""

from __future__ import annotations

from streamcli.cli.commands import COMMANDS, GROUPS, SUMMARY
from streamcli.cli.defaults import log_directory
from streamcli.cli.width import print_folded, terminal_width

STEPS = (
    (r"printf 'GET /\nGET /cart\n' | streamcli produce clicks", "append two lines; status 0: they are on disk"),
    ("streamcli consume clicks", "read them, as often as you like"),
    ("streamcli consume clicks -g stats", "as a group, which gets each record once"),
    ("streamcli consume clicks -g stats", "nothing: what comes later it gets next time"),
    ("streamcli tail -f clicks", "watch what comes; Ctrl-C ends it"),
)
"""Command lines in their order, and what each does."""

_WIDTH = max(len(line) for line, _ in STEPS)
_LONGEST = max(2 + _WIDTH + 3 + len(what) for _, what in STEPS)


def show() -> int:
    """Print it. Without typer, which would take longer than all the rest."""
    print_folded(SUMMARY)
    print()
    print_folded(f"A first tour, to be typed (the records go to {log_directory()}):")
    print()
    for line, what in STEPS:
        if (terminal_width() or _LONGEST) < _LONGEST:
            print(f"  {line}\n      {what}")
        else:
            print(f"  {line.ljust(_WIDTH)}   {what}")
    print("\nCommands:\n")
    for name in [name for name in COMMANDS if " " not in name] + list(GROUPS):
        print_folded(GROUPS.get(name) or COMMANDS[name].summary, f"  {name.ljust(12)}")
    print()
    print_folded("'streamcli COMMAND --help' tells the rest, with examples; man streamcli, man streamcli-recipes.")
    return 0

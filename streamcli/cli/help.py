"""Help, drawn by typer from the declarations in cli.commands. Nothing else imports typer.

typer builds an option from a function's parameter, so each command gets a function with the signature that its
declarations spell out; it is never called.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from streamcli.cli.commands import COMMANDS, GROUPS, SUMMARY
from streamcli.cli.flags import Argument, Command, Flag, usage
from streamcli.cli.shared_flags import COMMON, VERSION
from streamcli.record.errors import EXIT_STATUSES


def show(words: list[str]) -> int:
    """Print the help that `words` ask for."""
    app = build_app()
    text = io.StringIO()  # a closed pipe is to be met by our own print: typer would make status 1 of it
    try:
        with redirect_stdout(text):
            app(
                args=[word for word in words if word in ("--help", "-h") or not word.startswith("-")] or ["--help"],
                prog_name="streamcli",
            )
    except SystemExit as done:
        status = int(done.code or 0)
    print(text.getvalue(), end="")
    return status


def build_app() -> typer.Typer:
    """The typer application of all commands."""
    app = _new_app(SUMMARY)
    app.callback()(_declared([_option(flag) for flag in (*COMMON, VERSION)]))
    apps = {name: _new_app(summary) for name, summary in GROUPS.items()}
    for name, group in apps.items():
        app.add_typer(group, name=name)
    for command in COMMANDS.values():
        group_name, _, short = command.name.rpartition(" ")
        target = apps[group_name] if group_name else app
        target.command(
            short, cls=_Command, help=help_text(command), short_help=command.summary, epilog=epilog(command)
        )(_function(command))
    return app


class _Command(TyperCommand):
    """A command whose usage line is ours: typer's does not show that an argument may come again."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        path = ctx.command_path.removeprefix("streamcli ")
        formatter.write_usage("streamcli", usage(COMMANDS[path]))


def help_text(command: Command) -> str:
    rest = "" if command.rest is None else f"-- {command.rest.metavar}: {command.rest.help}"
    return "\n\n".join(part for part in (command.summary, rest, command.description) if part)


def epilog(command: Command) -> str:
    """Examples and exit statuses."""
    examples = [f"  {line}    # {what}" for line, what in command.examples]
    statuses = [f"  {status}  {EXIT_STATUSES[status]}" for status in command.statuses]
    return "\n".join(["\b", "Examples:", *examples, "", "\b", "Exit status:", *statuses])


def _new_app(summary: str) -> typer.Typer:
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _function(command: Command) -> Callable[..., None]:
    return _declared([*map(_argument, command.arguments), *map(_option, command.flags)])


def _declared(parameters: list[inspect.Parameter]) -> Callable[..., None]:
    def declared(**_: Any) -> None:
        return None

    declared.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    declared.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return declared


def _argument(argument: Argument) -> inspect.Parameter:
    info = typer.Argument(
        metavar=argument.metavar,
        help=argument.help,
        show_default=False,
    )
    default = inspect.Parameter.empty if argument.required else None
    kind: Any = list[str] if argument.many else str
    return _parameter(argument.dest, Annotated[kind, info], default)


def _option(flag: Flag) -> inspect.Parameter:
    info = typer.Option(
        *flag.names,
        metavar=flag.metavar or None,
        help=flag.help,
        show_default=False,
    )
    if flag.parse is None:
        return _parameter(flag.dest, Annotated[bool, info], False)
    kind: Any = list[str] if flag.repeat else str
    return _parameter(flag.dest, Annotated[kind, info], None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

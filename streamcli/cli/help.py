"""Help and completion, drawn by typer from the declarations in cli.commands. Nothing else imports typer.

typer builds an option from a function's parameter, so each command gets a function with the signature that its
declarations spell out; it is never called.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from typer import completion as completion_scripts
from typer.core import TyperCommand

from streamcli.cli.commands import COMMANDS, GROUPS, SUMMARY
from streamcli.cli.context import Context, default_directory
from streamcli.cli.flags import Argument, Command, Flag, usage
from streamcli.cli.shared_flags import COMMON, VERSION
from streamcli.cli.upkeep_commands import BENCHES, SHELLS
from streamcli.record.errors import EXIT_STATUSES, StreamcliError, UsageError
from streamcli.storage.directory import LogDirectory

FIRST_STEPS = """First steps:

  cat access.log | streamcli produce clicks     append lines to a topic
  streamcli consume clicks | wc -l              read it all
  streamcli tail -f clicks                      watch it

'streamcli COMMAND --help' tells the rest, with examples.
"""


def show(words: list[str]) -> int:
    """Print the help that `words` ask for; the first steps too where there are none."""
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
    if not words:
        print(FIRST_STEPS)
    return status


def complete() -> int:
    """Answer the shell, which asks through the environment."""
    completion_scripts.completion_init()  # type: ignore[attr-defined]
    try:
        build_app()(prog_name="streamcli")
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def completion(context: Context, shell: str) -> int:
    """Print a shell's completion script."""
    if shell not in SHELLS:
        raise UsageError(f"no completion for {shell!r}: there is {', '.join(SHELLS)}")
    script: str = completion_scripts.get_completion_script(  # type: ignore[attr-defined]
        prog_name="streamcli", complete_var="_STREAMCLI_COMPLETE", shell=shell
    )
    print(script)
    return 0


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
        autocompletion=_COMPLETERS.get(argument.complete),
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
        autocompletion=_COMPLETERS.get(flag.complete),
    )
    if flag.parse is None:
        return _parameter(flag.dest, Annotated[bool, info], False)
    kind: Any = list[str] if flag.repeat else str
    return _parameter(flag.dest, Annotated[kind, info], None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _directory(context: typer.Context) -> LogDirectory:
    chosen = context.params.get("dir") if context.params else None
    return LogDirectory(chosen or default_directory(), lock_timeout=0)


def _topics(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        return [name for name in _directory(ctx).topics() if name.startswith(incomplete)]
    except (StreamcliError, OSError):
        return []


def _partitions(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        directory = _directory(ctx)
        named = set(directory.topics()).intersection(_words_so_far())
        count = max((directory.config(topic).partitions for topic in named), default=0)
    except (StreamcliError, OSError):
        return []
    return [str(number) for number in range(count) if str(number).startswith(incomplete)]


def _words_so_far() -> list[str]:
    """The words on the command line, from where typer's completion scripts put them: while an option lacks its value,
    the parameters are not parsed yet."""
    return (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()


def _groups(ctx: typer.Context, incomplete: str) -> list[str]:
    from streamcli.engine.group_admin import group_names

    try:
        return [name for name in group_names(_directory(ctx)) if name.startswith(incomplete)]
    except (StreamcliError, OSError):
        return []


def _shells(incomplete: str) -> list[str]:
    return [shell for shell in SHELLS if shell.startswith(incomplete)]


def _benches(incomplete: str) -> list[str]:
    return [bench for bench in BENCHES if bench.startswith(incomplete)]


_COMPLETERS: dict[str, Callable[..., list[str]]] = {
    "topics": _topics,
    "groups": _groups,
    "partitions": _partitions,
    "shells": _shells,
    "benches": _benches,
}

"""Completion scripts: printed for each shell, good in the shells that are installed, and knowing topics in a real bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from streamcli.cli.upkeep_commands import SHELLS
from tests.docs.project import shell, shell_environment
from tests.support.command import ok, refused
from tests.support.waiting import DEADLINE


def completed_by_bash(*words: str) -> list[str]:
    """What a bash that has loaded the script offers for the last of `words`, called as readline calls it."""
    script = """
        eval "$(streamcli completion bash)"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        spec=$(complete -p streamcli); spec=${spec##*-F }; ${spec%% *} streamcli "${@: -1}" "${@: -2:1}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=shell_environment(),
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("name", SHELLS)
def test_a_shells_script_is_printed_and_is_good(name: str, tmp_path: Path) -> None:
    script = ok("completion", name)
    assert b"_STREAMCLI_COMPLETE" in script
    path = tmp_path / name
    path.write_bytes(script)
    if shutil.which(name):
        assert shell(f"{name} -n {path}") == ""


def test_an_unknown_shell_is_refused() -> None:
    assert "bash, zsh, fish" in refused(2, "completion", "cmd")


def test_bash_completes_commands_topics_options_and_partitions() -> None:
    ok("topics", "create", "clicks", "clocks", "-p", "3")
    ok("topics", "create", "orders")
    assert completed_by_bash("streamcli", "prod") == ["produce"]
    assert completed_by_bash("streamcli", "topics", "desc") == ["describe"]
    assert completed_by_bash("streamcli", "consume", "cl") == ["clicks", "clocks"]
    assert completed_by_bash("streamcli", "consume", "--fol") == ["--follow"]
    assert completed_by_bash("streamcli", "consume", "clicks", "-p", "") == ["0", "1", "2"]


def test_bash_completes_nothing_where_there_is_no_log_directory(log_directory: Path) -> None:
    assert completed_by_bash("streamcli", "consume", "cl") == []
    assert not log_directory.exists()

"""The examples in every command's help are run, in a log directory that has what they speak of."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from streamcli.cli.commands import COMMANDS
from streamcli.cli.tour import STEPS
from tests.docs.project import shell, shell_environment
from tests.support.command import ok, run
from tests.support.terminal import program_on_terminal
from tests.support.waiting import DEADLINE, is_ready, wait_until

# Those with the address of a cluster are commands that tests/mirror and tests/conformance run.
EXAMPLES = sorted({line for command in COMMANDS.values() for line, _ in command.examples if "kafka://" not in line})

# Examples that draw on a terminal, and end at a q.
ON_TERMINAL = [line for line in EXAMPLES if line == "streamcli top"]

# Tools that need not be installed, or would not end: what they read is passed on as it comes.
PASSED_ON = ("jq", "less", "mail")
SHORTER = {"bench produce": "--records 1000", "bench consume": "--records 1000", "bench latency": "--seconds 1"}
REQUESTS = b"".join(
    b'10.0.0.%d - - [22/Nov/2026:08:%02d:%02d +0000] "GET /cart HTTP/1.1" %d 7\n'
    % (n % 4, n // 60, n % 60, 200 + n % 4 * 100)
    for n in range(1200)
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Topics, groups and files that the examples speak of: log/ and work/ in a directory to be copied."""
    root = tmp_path_factory.mktemp("prepared")
    log, work = root / "log", root / "work"
    work.mkdir()
    environment = {**os.environ, "STREAMCLI_DIR": str(log)}

    def do(*words: str, stdin: bytes = b"") -> None:
        assert run(*words, stdin=stdin, env=environment).status == 0, words

    for topic in ("clicks", "orders", "log-web", "log-db"):
        do("produce", topic, stdin=REQUESTS)
    do("topics", "create", "users", "--compact")
    do("produce", "users", "-K", ":", stdin=b"ann:admin\nbob:guest\n")
    do("consume", "orders", "-g", "billing")
    do("produce", "orders", stdin=b"another\n")
    do("consume", "orders", "-g", "billing")
    (work / "access.log").write_bytes(REQUESTS)
    (work / "users.txt").write_text("ann:admin\ncy:guest\n")
    (work / "billing.json").write_bytes(run("groups", "export", "billing", env=environment).out)
    (work / "bill.sh").write_text("#!/bin/sh\nexec cat\n")
    (work / "a.py").touch()
    shutil.copytree(log / "topics" / "clicks" / "0", work / "old")
    tools = root / "tools"
    tools.mkdir()
    for tool in PASSED_ON:
        (tools / tool).write_text("#!/bin/sh\nexec cat\n")
    for script in (*tools.iterdir(), work / "bill.sh"):
        script.chmod(0o755)
    return root


@contextmanager
def example_run(prepared: Path, tmp_path: Path, line: str) -> Iterator[subprocess.Popen[bytes]]:
    """The example as a process group of its own, in a copy of what was prepared."""
    root = tmp_path / "run"
    shutil.copytree(prepared, root)
    (root / "home" / ".config" / "fish" / "completions").mkdir(parents=True)
    environment = {**shell_environment(), "STREAMCLI_DIR": str(root / "log"), "HOME": str(root / "home")}
    environment["PATH"] = f"{root / 'tools'}:{environment['PATH']}"
    created = re.search(r"topics create (\S+)", line)
    if created:
        run("topics", "delete", created[1], "-y", env=environment)
    shortest = next((options for start, options in SHORTER.items() if f"streamcli {start}" in line), "")
    process = subprocess.Popen(
        [shell_of(line), "-c", f"{without_schedule(line, root)} {shortest}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=root / "work",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=DEADLINE)


def shell_of(line: str) -> str:
    """The shell that a line is for."""
    shell = next((shell for shell in ("bash", "zsh") if f"completion {shell}" in line), "sh")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    return shell


def without_schedule(line: str, root: Path) -> str:
    """A crontab's line as a command, with the system's directories under `root`."""
    command = re.sub(r"^\S+ \S+ \* \* \* +", "", line)
    for directory in re.findall(r"\bcd (/\S+)", command):
        (root / directory[1:]).mkdir(parents=True)
    return re.sub(r"\bcd /", f"cd {root}/", command)


def goes_on(line: str) -> bool:
    """Whether it runs until it is told to end."""
    return re.search(r"streamcli [^|]* -\w*f\b", line) is not None or line.startswith("streamcli top --json")


@pytest.mark.parametrize("line", [line for line in EXAMPLES if line not in ON_TERMINAL])
def test_an_example_of_the_help_works(line: str, prepared: Path, tmp_path: Path) -> None:
    with example_run(prepared, tmp_path, line) as process:
        if goes_on(line):
            wait_for_output(line, process, tmp_path / "run")
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    assert b"Traceback" not in err
    assert process.returncode in ((130, -signal.SIGINT) if goes_on(line) else (0,)), (out, err)


def wait_for_output(line: str, process: subprocess.Popen[bytes], root: Path) -> None:
    """Produce to what may be followed until something is printed, or is in the file that the line names."""
    assert process.stdout is not None
    stdout, file = process.stdout.fileno(), re.search(r">> (\S+)$", line)
    named = None if file is None else root / "work" / file[1]
    environment = {**os.environ, "STREAMCLI_DIR": str(root / "log")}

    def has_come() -> bool:
        for topic in ("clicks", "orders"):
            assert run("produce", topic, stdin=b"an error\n", env=environment).status == 0
        return is_ready(stdout, 0.2) or (named is not None and named.exists() and named.stat().st_size > 0)

    wait_until(has_come, "what follows to come")


@pytest.mark.parametrize("line", ON_TERMINAL)
def test_an_example_for_a_terminal_works(line: str) -> None:
    ok("produce", "clicks", stdin=REQUESTS)
    environment = {**shell_environment(), "TERM": "xterm"}
    with program_on_terminal(["sh", "-c", line], environment) as terminal:
        terminal.see(lambda shown: b"clicks" in shown)
        terminal.type(b"q")
        assert terminal.finish()[0] == 0


def test_streamcli_alone_shows_a_tour_that_works(log_directory: Path) -> None:
    shown = ok().decode()
    assert len(STEPS) == 5
    for line, what in STEPS:
        assert re.search(rf"^  {re.escape(line)} +{re.escape(what)}$", shown, re.MULTILINE)
    assert str(log_directory) in shown
    for name in COMMANDS:
        assert re.search(rf"^  {name.split(' ')[0]} ", shown, re.MULTILINE), name
    printed = [shell(line) for line, _ in STEPS if not goes_on(line)]
    assert printed == ["", "GET /\nGET /cart\n", "GET /\nGET /cart\n", ""]


def test_the_tour_says_where_the_records_go(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'dir = "{tmp_path}/chosen"\n')
    environment = {name: value for name, value in os.environ.items() if name != "STREAMCLI_DIR"}
    shown = ok(env={**environment, "STREAMCLI_CONFIG": str(tmp_path / "config.toml")}).decode()
    assert f"(the records go to {tmp_path}/chosen)" in shown

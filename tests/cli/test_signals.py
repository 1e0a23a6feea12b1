"""Ctrl-C, SIGTERM, and readers and writers that go away."""

from __future__ import annotations

import fcntl
import shlex
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.command import STREAMCLI, durable, finish, ok, run, started
from tests.support.locks import lock_held
from tests.support.restricted import restricted
from tests.support.waiting import DEADLINE, read_lines, wait_until

SIGNALS = pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)


def shell(script: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script in which `streamcli` is the command under test."""
    command = " ".join(shlex.quote(word) for word in STREAMCLI)
    text = f'streamcli() {{ {command} "$@"; }}\n{script}'
    return subprocess.run(["bash", "-c", text], capture_output=True, timeout=DEADLINE, check=False, **options)


@SIGNALS
def test_a_stopped_producer_has_kept_what_it_read(signum: int, status: int) -> None:
    with started("produce", "t") as producer:
        producer.stdin.write(b"1\n2\n")
        wait_until(lambda: run("consume", "t").out == b"1\n2\n", "two records")
        producer.stdin.write(b"3\n" * 1000)
        producer.send_signal(signum)
        assert producer.wait(DEADLINE) == status
        err = producer.stderr.read().decode()
    assert len(err.splitlines()) == 1
    assert signal.Signals(signum).name in err
    there = ok("consume", "t")
    assert there in (b"1\n2\n", b"1\n2\n" + b"3\n" * 1000)
    assert durable(err) == there.count(b"\n")


@SIGNALS
@pytest.mark.parametrize("sync", ["exit", "batch", "none"])
def test_a_producer_stopped_in_full_flight_says_exactly_how_far_it_got(signum: int, status: int, sync: str) -> None:
    source = [sys.executable, "-c", "import os\nwhile True: os.write(1, b'%063d\\n' % 7 * 1024)"]
    with subprocess.Popen(source, stdout=subprocess.PIPE) as endless:
        with started("produce", "t", "--sync", sync, stdin=endless.stdout) as producer:
            wait_until(lambda: run("consume", "t", "-n", "1").out, "the first record")
            producer.send_signal(signum)
            assert producer.wait(DEADLINE) == status
            err = producer.stderr.read().decode()
        endless.kill()
    assert ok("consume", "t", "-F", "1").count(b"1") == durable(err)


@SIGNALS
def test_a_stopped_follower_has_printed_what_came(signum: int, status: int) -> None:
    ok("produce", "t", stdin=b"1\n")
    with started("consume", "-f", "t") as follower:
        assert read_lines(follower.stdout, 1) == [b"1"]
        follower.send_signal(signum)
        assert finish(follower) == (status, b"", "")


def test_ctrl_c_is_ignored_where_the_parent_ignored_it() -> None:
    with started("produce", "t", "--offsets", under=restricted("ignore-interrupt")) as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        producer.send_signal(signal.SIGINT)
        producer.stdin.write(b"2\n")
        assert read_lines(producer.stdout, 1) == [b"0 1"]
        producer.send_signal(signal.SIGTERM)
        assert producer.wait(DEADLINE) == 143
    assert ok("consume", "t") == b"1\n2\n"


def test_a_stop_while_a_rate_holds_back() -> None:
    with started("produce", "t", "--rate", "1") as producer:
        producer.stdin.write(b"x\n" * 100)
        wait_until(lambda: run("consume", "t").out, "the first record")
        producer.send_signal(signal.SIGINT)
        assert producer.wait(DEADLINE) == 130
        err = producer.stderr.read().decode()
    assert ok("consume", "t").count(b"\n") == durable(err) < 100


def test_signals_end_a_wait_for_a_lock(log_directory: Path) -> None:
    with started("produce", "t", "--offsets") as producer:
        producer.stdin.write(b"1\n")
        assert read_lines(producer.stdout, 1) == [b"0 0"]
        with lock_held(log_directory / "topics/t/0/lock"):
            producer.stdin.write(b"2\n")
            wait_until(lambda: unread(producer) == 0, "the line to be read")
            wait_until(lambda: producer.send_signal(signal.SIGINT) or producer.poll() is not None, "its end")
        assert producer.returncode == 130
        assert durable(producer.stderr.read().decode()) == 1
    assert ok("consume", "t") == b"1\n"


def test_a_signal_while_an_error_is_told_is_no_traceback() -> None:
    program = (
        "import os, signal, sys; from streamcli.cli import main; sys.argv = ['streamcli', 'nonsense'];"
        "main.complain = lambda text: os.kill(os.getpid(), signal.SIGTERM); main.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (143, b"")


def unread(process: subprocess.Popen[bytes]) -> int:
    """Bytes in a process's standard input that it has not read."""
    return struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, b"0000"))[0]


@pytest.mark.parametrize("reader", ["head -1", "head -c 1", "true"])
@pytest.mark.parametrize("flags", ["", "--json", "-f", "-F %s", "-K :"])
def test_a_reader_that_has_enough_is_no_error(reader: str, flags: str) -> None:
    ok("produce", "t", stdin=b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 40_000)
    done = shell(f"streamcli consume t {flags} | {reader} >/dev/null; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == (b"0\n", b"")


@pytest.mark.parametrize(
    "command",
    ["tail t", "tail -f t", "topics list", "topics describe t", "topics list --json", "--help", "topics clean --help"],
)
def test_listings_into_a_closed_pipe(command: str) -> None:
    ok("produce", "t", stdin=b"x\n")
    done = shell(f"(streamcli {command}; echo $? >&2) | true")
    assert done.stderr == b"0\n"


@pytest.mark.parametrize("command", ["consume t", "consume -f t", "tail t", "topics list", "topics describe t"])
def test_a_closed_standard_output_is_an_error_without_traceback(command: str) -> None:
    ok("produce", "t", stdin=b"x\n")
    done = shell(f"PYTHONUNBUFFERED= streamcli {command} >&-")
    assert done.returncode == 1
    assert done.stderr.startswith(b"streamcli: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_standard_input_is_no_record_of_somebody_else() -> None:
    done = shell("streamcli produce t <&-")
    assert done.returncode in (1, 8)
    assert done.stderr.startswith(b"streamcli: ")
    assert ok("consume", "t") == b""


def test_a_closed_standard_input_matters_only_to_who_reads_it() -> None:
    ok("produce", "t", stdin=b"x\n")
    done = shell("streamcli consume t <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x\n", b"")


def test_a_closed_standard_error_keeps_statuses_and_data() -> None:
    done = shell("printf 'a\\nb\\n' | streamcli produce t 2>&-; echo $?; streamcli consume t 2>&-; echo $?")
    assert done.stdout == b"0\na\nb\n0\n"
    assert shell("streamcli consume missing 2>&-").returncode == 4
    assert shell("streamcli nonsense 2>&-").returncode == 2


def test_produce_needs_no_standard_output() -> None:
    done = shell("printf 'a\\nb\\n' | streamcli produce t >&-; echo $?")
    assert done.stdout == b"0\n"
    assert ok("consume", "t") == b"a\nb\n"


def test_all_three_closed_and_a_file_as_input(tmp_path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"1\n2\n")
    assert shell(f"streamcli produce t {file} <&- >&- 2>&-").returncode == 0
    assert ok("consume", "t") == b"1\n2\n"


@pytest.mark.parametrize("command", ["consume t", "topics list", "tail t", "consume t --json"])
def test_a_full_device_as_standard_output_is_an_error(command: str) -> None:
    ok("produce", "t", stdin=b"x\n")
    done = shell(f"PYTHONUNBUFFERED= streamcli {command} > /dev/full")  # else print() itself fails, and names no file
    assert done.returncode == 1
    assert b"No space left on device (standard output): " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--offsets", "--tee"])
def test_acknowledgements_to_a_full_device_are_an_error_with_a_count(flag: str) -> None:
    done = shell(f"printf 'a\\nb\\n' | streamcli produce t {flag} > /dev/full")
    assert done.returncode == 8
    assert durable(done.stderr.decode()) == ok("consume", "t").count(b"\n")


@pytest.mark.parametrize("command", ["consume t", "topics list"])
def test_a_closed_standard_output_is_named(command: str) -> None:
    ok("produce", "t", stdin=b"x\n")
    done = shell(f"PYTHONUNBUFFERED= streamcli {command} >&-")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [b"streamcli: Bad file descriptor (standard output): it is closed: give one, as in > FILE"],
    )

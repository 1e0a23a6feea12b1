"""examples/sessions.sh and collect-logs.sh, wherever a run dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.running import run_example
from tests.support.command import ok

SESSIONS = ("sessions.sh", "clicks", "sessions", "state")

# The script is killed when a tool that it uses is called: before its work or after; the tool kills only once.
DEATHS = {
    "before the sessions are made": ("awk", "kill -9 $PPID; exit 1"),
    "with the sessions made": ("awk", 'real "$@"; kill -9 $PPID; exit 1'),
    "with the state not in place": ("mv", "kill -9 $PPID; exit 1"),
    "with the state in place, before the commit": ("mv", 'real "$@"; kill -9 $PPID; exit 1'),
    "with streamcli killed before the commit": ("mv", 'real "$@"; kill -9 "$(ps -o ppid= -p $PPID)"; exit 1'),
}


def click(*clicks: str) -> None:
    ok("produce", "clicks", "-K", ":", stdin="".join(f"{each}\n" for each in clicks).encode())


def run_sessions(**options: object) -> None:
    assert run_example(*SESSIONS, **options) == (0, b"", "")  # type: ignore[arg-type]


def sessions() -> list[bytes]:
    return sorted(ok("table", "sessions").splitlines())


@pytest.mark.parametrize("death", [None, *DEATHS])
def test_every_click_is_in_one_session(death: str | None) -> None:
    click("ann:1000 /", "bob:1005 /search", "ann:1060 /cart")
    run_sessions()
    assert sessions() == []
    click("ann:1120 /order", "bob:1100 /login", "ann:9000 /")
    if death is not None:
        tool, lines = DEATHS[death]
        once = f'[ -e died ] && {{ real "$@"; exit; }}; touch died; {lines}'
        run_example(*SESSIONS, tools={tool: once})
        assert Path("died").exists()
    run_sessions()
    click("bob:20000 /", "ann:20000 /")
    run_sessions()
    assert sessions() == [
        b"ann 1000\t120 3 / /order",
        b"ann 9000\t0 1 / /",
        b"bob 1005\t95 2 /search /login",
    ]


def test_states_that_are_done_with_are_removed() -> None:
    for second in range(5):
        click(f"ann:{second} /")
        run_sessions()
    assert sorted(path.name for path in Path("state").glob("open.*")) == ["open.0.4", "open.0.5"]


def collect() -> str:
    result = run_example("collect-logs.sh", "logs", "all")
    assert (result.status, result.err) == (0, "")
    return result.out.decode()


def test_rotated_logs_of_hosts_are_collected_and_summed_up() -> None:
    for host, date, line in (
        ("web", "20261122", "2026-11-22 08:00:01 ERROR disk full"),
        ("web", "20261123", "2026-11-23 08:00:01 INFO started"),
        ("db", "20261122", "2026-11-22 08:00:02 FATAL out of memory"),
    ):
        Path("logs", host).mkdir(parents=True, exist_ok=True)
        Path("logs", host, f"app.log-{date}").write_text(f"{line}\n")
    first = collect()
    assert first.startswith("Subject: 2 errors, up to 2026-11-23\n\nhost")
    assert collect() == ""
    assert ok("consume", "all", "--key", "web", "-F", "%h %s\n").splitlines() == [
        b"host=web,file=app.log-20261122 2026-11-22 08:00:01 ERROR disk full",
        b"host=web,file=app.log-20261123 2026-11-23 08:00:01 INFO started",
    ]
    assert sorted(path.name for path in Path("logs").rglob("app*")) == [
        "app.log-20261122",
        "app.log-20261122",
        "app.log-20261123",
    ]
    Path("logs/web/app.log-20261124").write_text("no level\n")
    assert "Subject: 0 errors" in collect()


def test_a_summary_that_fails_comes_again() -> None:
    Path("logs/web").mkdir(parents=True)
    Path("logs/web/app.log-1").write_text("2026-11-22 08:00:01 ERROR disk full\n")
    died = run_example("collect-logs.sh", "logs", "all", tools={"awk": "kill -9 $PPID; exit 1"})
    assert b"ERROR" not in died.out
    assert "1  ERROR disk full" in collect()

"""Why there is no connection is told, in the words of who tried."""

from __future__ import annotations

import pytest

from tests.support.command import refused

SASL = "security.protocol=sasl_plaintext sasl.mechanism=PLAIN sasl.username=me sasl.password=hunter2"


@pytest.mark.parametrize("words", ["groups list", "consume T", "consume T -g G", "produce T"])
def test_a_user_who_is_refused_does_not_wait(words: str, t: str, g: str) -> None:
    settings = [word for each in SASL.split(" ") for word in ("-X", each)]
    given = words.replace("T", t).replace("G", g).split(" ")
    line = refused(1, *given, *settings, "--lock-timeout", "10m", stdin=b"x\n")
    assert "SASL PLAIN" in line
    assert "sasl.*" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("consume T -X security.protocol=ssl", "SSL connection closed by peer"),
        ("topics list --url kafka://localhost:1", "Connection refused"),
        ("produce T --url kafka://no-such-host.invalid:9092", "Failed to resolve"),
    ],
)
def test_what_kept_it_from_connecting_is_told(words: str, says: str, t: str) -> None:
    """In time: a cluster that is slow to say no, as under load, is waited for longer."""
    for patience in ("1s", "4s", "16s"):
        line = refused(1, *words.replace("T", t).split(" "), "--lock-timeout", patience, stdin=b"x\n")
        if says in line:
            return
    raise AssertionError(line)

"""The peers that are installed, each doing what we do in turn, by the client that its users have in a shell."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass

from tests.bench.case import Case, Measured, Pair, pair_case
from tests.bench.commands import CommandFailed
from tests.bench.inputs import ACCESS
from tests.bench.place import Place, Side

_IN_LOOP = 10
_PATIENCE = 30.0
_LOOP = f"for i in $(seq {_IN_LOOP}); do {{}}; done > /dev/null"
_OUR_LOOP = Side(_LOOP.format("echo $i | streamcli produce small"))
_PRODUCE = Side(
    f"cat {ACCESS.fewest} | streamcli produce new", after=("streamcli topics delete -y new",), reads=(ACCESS.fewest,)
)
_TOPIC = ACCESS.fewest_topic
_CONSUME = f"streamcli consume {_TOPIC}"

_REDIS = "redis-cli -s redis.sock"
_REDIS_SERVER = (
    "redis-server --port 0 --unixsocket redis.sock --dir . --save '' --appendonly yes --appendfsync everysec"
    " --auto-aof-rewrite-percentage 0"
)
_IMPORT = r"""sqlite3 peer.db 'pragma synchronous=full' '.mode ascii' '.separator "\001" "\n"'"""
_TABLE = "sqlite3 peer.db 'pragma journal_mode=wal' 'create table t(line)' > /dev/null"


def peer_cases(kafka: str | None) -> list[Case]:
    """Those that can be run here; absent_peers() names the others."""
    cases = []
    if _installed("redis-server", "redis-cli"):
        cases += _redis()
    if _installed("sqlite3"):
        cases += _sqlite()
    if kafka and _installed("kcat"):
        cases += _kcat()
    return cases


def absent_peers(kafka: str | None) -> dict[str, str]:
    """Why a peer is left out."""
    absent = {"nats-server": "no client of it is measured: distributions have the server, and not its client"}
    for peer, programs in (
        ("redis-server", ("redis-server", "redis-cli")),
        ("sqlite3", ("sqlite3",)),
        ("kcat", ("kcat",)),
    ):
        if not _installed(*programs):
            absent[peer] = "not installed"
    if not kafka and "kcat" not in absent:
        absent["kcat"] = "needs a broker: --kafka HOST:PORT"
    return absent


def _redis() -> list[Case]:
    """A stream (XADD, XRANGE) of a server that fsyncs its append-only file every second, as produce does; by its socket."""
    return [
        _peer(
            "redis-produce",
            "produce, against redis-cli --pipe (xadd)",
            _PRODUCE,
            Side(f"{_REDIS} --pipe < access.resp", after=(f"{_REDIS} del s",)),
            needs=(ACCESS.fewest, "access.resp"),
            server=_REDIS_SERVER,
        ),
        _peer(
            "redis-consume",
            "consume, against redis-cli xrange",
            Side(f"{_CONSUME} | grep -c HTTP"),
            Side(f"{_REDIS} --raw xrange s - + | grep -c HTTP"),
            needs=(_TOPIC, "access.resp"),
            server=_REDIS_SERVER,
            once_before=(f"{_REDIS} --pipe < access.resp",),
        ),
        _peer(
            "redis-loop",
            "one record a process, against redis-cli xadd",
            _OUR_LOOP,
            Side(_LOOP.format(f"{_REDIS} xadd s '*' line $i")),
            needs=("small",),
            server=_REDIS_SERVER,
        ),
    ]


def _sqlite() -> list[Case]:
    """A table in a write-ahead log, synchronous=full: fsynced when the import, which is one transaction, commits."""
    remove = ("rm -f peer.db*",)
    return [
        _peer(
            "sqlite-produce",
            "produce, against sqlite3 .import",
            _PRODUCE,
            Side(f"{_IMPORT} '.import {ACCESS.fewest} t'", before=(_TABLE,), after=remove, reads=(ACCESS.fewest,)),
            needs=(ACCESS.fewest,),
        ),
        _peer(
            "sqlite-consume",
            "consume, against sqlite3 select",
            Side(f"{_CONSUME} | wc -l", reads=(_TOPIC,)),
            Side("sqlite3 peer.db 'select line from t order by rowid' | wc -l"),
            needs=(_TOPIC,),
            once_before=(_TABLE, f"{_IMPORT} '.import {ACCESS.fewest} t'"),
            once_after=remove,
        ),
        _peer(
            "sqlite-loop",
            "one record a process, against sqlite3 insert",
            _OUR_LOOP,
            Side(_LOOP.format("sqlite3 peer.db \"pragma synchronous=full; insert into t values('$i')\"")),
            needs=("small",),
            once_before=(_TABLE,),
            once_after=remove,
        ),
    ]


def _kcat() -> list[Case]:
    """The broker at $KAFKA has to make topics by itself; it says what it fsyncs, if it does."""
    topic = "streamcli-bench-$$"
    return [
        _peer(
            "kcat-produce",
            "produce, against kcat -P",
            _PRODUCE,
            Side(f"cat {ACCESS.fewest} | kcat -q -P -b $KAFKA -t {topic}", reads=(ACCESS.fewest,)),
            needs=(ACCESS.fewest,),
        ),
        _peer(
            "kcat-consume",
            "consume, against kcat -C",
            Side(f"{_CONSUME} | wc -l", reads=(_TOPIC,)),
            Side("kcat -q -C -e -o beginning -b $KAFKA -t $(cat kcat.topic) | wc -l"),
            needs=(_TOPIC,),
            once_before=(f"echo {topic} > kcat.topic; kcat -q -P -b $KAFKA -t $(cat kcat.topic) -l {ACCESS.fewest}",),
        ),
        _peer(
            "kcat-loop",
            "one record a process, against kcat -P",
            _OUR_LOOP,
            Side(_LOOP.format(f"echo $i | kcat -q -P -b $KAFKA -t {topic}")),
            needs=("small",),
        ),
    ]


@dataclass(frozen=True)
class _Served:
    """A pair that is measured beside a server, which is started before and stopped after; it is ready when `ping` is."""

    server: str
    ping: str
    pair: Pair

    def measure(self, place: Place, runs: int) -> dict[str, Measured]:
        serving = place.start(f"exec {self.server}", stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _answers(place, self.ping):
                if serving.poll() is not None or time.monotonic() > deadline:
                    raise CommandFailed(f"did not start: {self.server}")
                time.sleep(0.05)
            return self.pair.measure(place, runs)
        finally:
            serving.terminate()
            serving.wait()
            place.shell("rm -rf appendonlydir")


def _answers(place: Place, ping: str) -> bool:
    try:
        place.shell(f"{ping} > /dev/null 2>&1")
    except CommandFailed:
        return False
    return True


def _peer(
    name: str,
    title: str,
    ours: Side,
    theirs: Side,
    *,
    needs: tuple[str, ...],
    server: str = "",
    once_before: tuple[str, ...] = (),
    once_after: tuple[str, ...] = (),
) -> Case:
    """Counted in lines of the shortest input, or in turns of the loop."""
    looped = name.endswith("loop")
    pair = Pair(
        ours,
        theirs,
        _IN_LOOP if looped else ACCESS.fewest,
        needs=needs,
        once_before=once_before,
        once_after=once_after,
        same_output=name.endswith("consume"),
    )
    case = pair_case(f"peer-{name}", title, "peers", pair)
    if not server:
        return case
    return Case(
        case.name,
        title,
        "peers",
        case.ours,
        f"{case.yardstick} (with {server})",
        case.unit,
        _Served(server, f"{_REDIS} ping", pair),
    )


def _installed(*programs: str) -> bool:
    return all(shutil.which(program) for program in programs)

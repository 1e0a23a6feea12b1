"""A real Apache Kafka broker for tests: fetched by Maven, alone on loopback, gone afterwards.

    python -m tests.kafka.broker run -- pytest -n auto    fetch it, start it, run a command that is told where it is, stop it

The command finds `TEST_KAFKA=host:port`, which all Kafka tests share, and `TEST_KAFKA_JARS`, from which tests
that kill brokers start their own. Without them those tests are skipped: Maven and Java 17 are not asked of those who only
change something else. Nothing is kept but what Maven keeps in its own repository; with TEST_KAFKA_JARS set, nothing
is fetched either.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ADDRESS = "TEST_KAFKA"
JARS = "TEST_KAFKA_JARS"
WITHOUT_ADDRESS = f"no Kafka broker: set {ADDRESS}=host:port, or run `python -m tests.kafka.broker run -- pytest`"
WITHOUT_JARS = f"no jars to start a Kafka broker from: set {JARS}, or run `python -m tests.kafka.broker run -- pytest`"

_POM = Path(__file__).with_name("pom.xml")
_START_DEADLINE = 120.0
_PR_SET_PDEATHSIG = 1
# Small in memory, quick to start: the serial collector and the first compiler alone start in 2.5 s instead of 4.
_JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://{proxied}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
# Everyone may do what no ACL of a test says.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
# Records of any age stay, as in a log directory.
log.retention.ms=-1
# One node holds all there is, in as few files as there may be.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=500
num.network.threads=2
num.io.threads=2
# It is taken back soon after it was killed.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A group of tests waits for nobody, and notices within seconds that a member was killed.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
"""


class Broker:
    """A broker that keeps its data in a directory, and its ports over restarts. jars: a directory of them.

    Clients find it at `address`, or through a proxy at `proxied` that forwards to the port `behind_proxy`.
    """

    def __init__(self, jars: Path, directory: Path) -> None:
        self._classpath = f"{jars}/*"
        self._directory = directory
        self._log = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        port, controller, proxied, self.behind_proxy = _free_ports(4)
        self.address, self.proxied = f"127.0.0.1:{port}", f"127.0.0.1:{proxied}"
        self._properties = directory / "server.properties"
        self._properties.write_text(
            _PROPERTIES.format(
                port=port,
                behind=self.behind_proxy,
                proxied=self.proxied,
                controller=controller,
                data=directory / "data",
            ),
            encoding="utf-8",
        )
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        assert (
            self._java("kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}", "-c").wait() == 0
        ), self._said()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker is not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Returns when it answers; AssertionError, with what it said, when it does not."""
        self._process = self._java("kafka.Kafka")
        try:
            wait_until(self._answers, "the Kafka broker", _START_DEADLINE)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would; it may be started again."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would; it may be started again."""
        self._end(signal.SIGKILL)

    def _end(self, signum: int) -> None:
        if self._process is not None:
            self._process.send_signal(signum)
            self._process.wait()
            self._process = None

    def _java(self, *words: str) -> subprocess.Popen[bytes]:
        """Java in a session of its own, so that Ctrl-C in the terminal is not for it, and dead when we are."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["java", *_JVM, "-cp", self._classpath, *words, str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._said()
        host, _, port = self.address.partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return _has_brokers(self.address)

    def _said(self) -> str:
        return f"the Kafka broker ended:\n{self._log.read_text(errors='replace')[-3000:]}"


def _has_brokers(address: str) -> bool:
    """A broker accepts connections a moment before it counts itself among those that can have partitions."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False


def forget(address: str, prefix: str) -> None:
    """Delete what tests left on a broker that may be somebody's: the topics and groups whose names begin like this."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": address})
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    groups = [name for name in groups if name.startswith(prefix)]
    deletions = [
        *(admin.delete_topics(topics) if topics else {}).values(),
        *(admin.delete_consumer_groups(groups) if groups else {}).values(),
    ]
    for deletion in deletions:
        deletion.exception()


def _free_ports(count: int) -> list[int]:
    """Different ports of loopback that nobody has now, below those that the kernel gives to clients: one of these that tries
    again and again to reach a broker that is down would meet itself in the end, and hold the port."""
    chance, ports = random.SystemRandom(), list[int]()  # one that no seed in a test makes the same in two processes
    with ExitStack() as held:
        while len(ports) < count:
            port = chance.randrange(10_000, 32_000)
            sock = held.enter_context(socket.socket())
            with suppress(OSError):
                sock.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _fetch(jars: Path) -> Path:
    """Have Maven put the broker and what it needs into the directory `jars`, from Maven Central or what Maven has already."""
    for tool in ("mvn", "java"):
        if shutil.which(tool) is None:
            sys.exit(
                f"{tool} is not there: Kafka tests need Maven and Java 17 (apt-get install maven openjdk-17-jdk-headless)"
            )
    copy = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    done = subprocess.run(copy, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"Maven cannot fetch the Kafka broker:\n{done.stdout.decode(errors='replace')}")
    return jars


@contextmanager
def running(jars: Path, directory: Path) -> Iterator[Broker]:
    """A running broker with its data in a new directory, killed at the end: nobody needs that data."""
    directory.mkdir()
    broker = Broker(jars, directory)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def _run(command: list[str]) -> int:
    """The status of a command that ran beside a broker."""
    with tempfile.TemporaryDirectory(prefix="streamcli-kafka-") as temporary:
        given = os.environ.get(JARS)
        jars = Path(given) if given else _fetch(Path(temporary, "jars"))
        with running(jars, Path(temporary, "broker")) as broker:
            environment = {**os.environ, ADDRESS: broker.address, JARS: str(jars)}
            with subprocess.Popen(command, env=environment) as process:
                # Ctrl-C goes to the command too, which ends by itself; other signals we pass on.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, lambda signum, frame: process.send_signal(signum))
                return process.wait()


def _leave(signum: int, _: Any) -> None:
    sys.exit(128 + signum)


def main() -> None:
    if sys.argv[1:3] != ["run", "--"] or len(sys.argv) == 3:
        sys.exit(f"usage: python -m tests.kafka.broker run -- COMMAND [ARG ...]\n{__doc__}")
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _leave)
    status = _run(sys.argv[3:])
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()

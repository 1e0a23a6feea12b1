"""Topics of a cluster, by confluent-kafka's AdminClient: which there are, their config, and what makes and changes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from streamcli.engine.alter import Alteration
from streamcli.engine.topic_state import TopicSettings
from streamcli.kafka.admin import Admin, Ask, Questions, ask_for_offsets
from streamcli.kafka.connection import Connection, as_error, asked, load
from streamcli.kafka.passing import NOTHING_DONE
from streamcli.record.errors import NotFound, StreamcliError, UsageError, did_you_mean
from streamcli.storage.config import CHOICE, RATIO, SETTINGS, TopicConfig, Value
from streamcli.storage.directory import TopicExists, too_few_partitions

BROKERS_OWN = -1
"""A count of replicas that the brokers choose: their default.replication.factor."""

_PAUSE = 0.02
"""Seconds between two questions whether something is done."""

Part = TypeVar("Part", bound=Hashable)


class ClusterTopic(NamedTuple):
    """identity: differs from that of any other topic, also of an earlier one with this name; partitions: as confluent-kafka
    describes them, by number; is_internal: the cluster keeps its own data there, as groups' commits."""

    name: str
    identity: str
    partitions: list[Any]
    is_internal: bool


def is_own(topic: str) -> bool:
    """Whether it is the cluster's own: shown where it is named only."""
    return topic.startswith("__")


def metadata(connection: Connection, admin: Admin) -> Any:
    """What confluent-kafka's list_topics gives of all topics, the cluster's own too."""
    return asked(admin, connection, "ask which topics there are", lambda wait: admin.client.list_topics(timeout=wait))


class Topics:
    """Topics of a cluster. Every call waits `connection.timeout` seconds at most; StreamcliError when there is no answer."""

    def __init__(self, connection: Connection, admin: Admin) -> None:
        self._connection = connection
        self._admin = admin
        self._kinds: Any = import_module("confluent_kafka.admin")  # which says not, for type checkers, what it exports

    def find(self, names: Iterable[str]) -> dict[str, ClusterTopic | None]:
        """The topics of these names, None for one that is not there. Makes none, whatever the brokers do on being asked."""
        from confluent_kafka import TopicCollection

        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        questions = self._ask(
            lambda client, some, seconds: client.describe_topics(TopicCollection(some), request_timeout=seconds), wanted
        )
        found = {name: self._result(questions, name, f"ask for topic {name}", missing=None) for name in wanted}
        return {
            name: topic
            and ClusterTopic(
                name,
                str(topic.topic_id),
                sorted(topic.partitions, key=lambda each: each.id),
                bool(topic.is_internal),
            )
            for name, topic in found.items()
        }

    def get(self, name: str, known: Callable[[], list[str]]) -> ClusterTopic:
        """The topic; NotFound, with the nearest of the names that are `known`."""
        found = self.find([name])[name]
        if found is None:
            raise self.missing(name, known)
        return found

    def get_users(self, name: str, known: Callable[[], list[str]]) -> ClusterTopic:
        """The same; UsageError for a topic of the cluster's own: without its records groups lose their commits."""
        found = self.get(name, known)
        if found.is_internal:
            raise UsageError(
                f"topic {name} is the cluster's own (in {self._connection.url}): its records are not for deleting"
            )
        return found

    def missing(self, name: str, known: Callable[[], list[str]]) -> NotFound:
        remedy = did_you_mean(name, known(), "see `streamcli topics list`")
        return NotFound(f"no such topic: {name} (in {self._connection.url}): {remedy}")

    def settings(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Topic -> setting -> confluent-kafka's ConfigEntry. Empty for a topic that is not there, or may not be asked about."""
        resources = {name: self._kinds.ConfigResource(self._kinds.ConfigResource.Type.TOPIC, name) for name in names}
        if not resources:
            return {}
        questions = self._ask(
            lambda client, some, seconds: client.describe_configs(some, request_timeout=seconds), resources.values()
        )
        denied = load().KafkaError.TOPIC_AUTHORIZATION_FAILED
        return {
            name: self._result(questions, resource, f"ask for the config of topic {name}", missing={}, also=(denied,))
            for name, resource in resources.items()
        }

    def check_new(self, names: Iterable[str], partitions: int, settings: dict[str, str], replicas: int) -> None:
        """Ask the cluster whether it would make them; that one is there already is no error."""
        once = dict.fromkeys(names)  # it would not take a name twice
        questions = self._create(once, partitions, settings, replicas, validate_only=True)
        for name in once:
            with suppress(TopicExists):
                self._made(questions, name)

    def create(self, name: str, partitions: int, settings: dict[str, str], replicas: int) -> None:
        """Make a topic; TopicExists when it is there."""
        self._made(self._create([name], partitions, settings, replicas), name)
        self._await(lambda: self.find([name])[name] is not None)

    def _create(
        self, names: Iterable[str], partitions: int, settings: dict[str, str], replicas: int, **options: bool
    ) -> Questions[str]:
        def ask(client: Any, some: list[str], seconds: float) -> Any:
            new = [self._kinds.NewTopic(name, partitions, replicas, config=settings) for name in some]
            return client.create_topics(new, **options, request_timeout=seconds)

        return self._ask_to(ask, names)

    def _made(self, questions: Questions[str], name: str) -> None:
        try:
            self._result(questions, name, f"make topic {name}")
        except _Refused as error:
            if error.code == load().KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicExists(f"topic {name} exists already (in {self._connection.url})") from None
            raise error.told from None

    def _await(self, is_known: Callable[[], bool]) -> None:
        """Until the broker that is asked has heard of a change, which the cluster has made."""
        deadline = time.monotonic() + self._connection.timeout
        while not is_known() and time.monotonic() < deadline:
            time.sleep(_PAUSE)

    def delete(self, name: str) -> None:
        self._do(
            lambda client, some, seconds: client.delete_topics(some, request_timeout=seconds),
            name,
            f"delete topic {name}",
        )
        self._await(lambda: self.find([name])[name] is None)

    def add_partitions(self, name: str, total: int, *, just_ask: bool = False) -> None:
        """just_ask: whether the cluster would."""
        new = [self._kinds.NewPartitions(name, total)]
        self._do(
            lambda client, _, seconds: client.create_partitions(new, validate_only=just_ask, request_timeout=seconds),
            name,
            f"give topic {name} more partitions",
        )
        if not just_ask:
            self._await(lambda: len(getattr(self.find([name])[name], "partitions", ())) >= total)

    def alter(self, name: str, settings: dict[str, str], unset: Iterable[str]) -> None:
        """Set some, and unset others: all of it, or nothing."""
        unset = set(unset)
        changes = [
            self._kinds.ConfigEntry(key, value, incremental_operation=self._kinds.AlterConfigOpType.SET)
            for key, value in settings.items()
        ]
        changes += [
            self._kinds.ConfigEntry(key, None, incremental_operation=self._kinds.AlterConfigOpType.DELETE)
            for key in unset
        ]
        resource = self._kinds.ConfigResource(self._kinds.ConfigResource.Type.TOPIC, name, incremental_configs=changes)
        self._do(
            lambda client, some, seconds: client.incremental_alter_configs(some, request_timeout=seconds),
            resource,
            f"alter topic {name}",
        )

        def is_known() -> bool:
            set_now = {key: entry.value for key, entry in self.settings([name])[name].items() if is_set(entry)}
            return settings.items() <= set_now.items() and not set_now.keys() & unset

        self._await(is_known)

    def offsets(
        self, topic: str, partitions: Iterable[int], asked: str, *of: int, is_readable: bool = False
    ) -> dict[int, Any]:
        """Partition -> confluent-kafka's answer to an OffsetSpec: offset and timestamp, -1 where there is none. asked: the name of
        that spec, `of` its time; is_readable: of what is before the first transaction that is open."""
        spec = getattr(self._kinds.OffsetSpec, asked)(*of)
        specs = {(topic, number): spec for number in partitions}
        questions = ask_for_offsets(self._admin, specs, is_readable=is_readable)
        return {place[1]: self._done(questions, place, f"ask for offsets of {topic}") for place in specs}

    def trim(self, topic: str, starts: dict[int, int]) -> dict[int, int]:
        """Remove the records before an offset, partition by partition; the log start offsets then."""
        from confluent_kafka import TopicPartition

        wanted = {number: TopicPartition(topic, number, start) for number, start in starts.items()}
        questions = self._ask_to(
            lambda client, some, seconds: client.delete_records(some, request_timeout=seconds), wanted.values()
        )
        done = {number: self._done(questions, each, f"trim {topic} {number}") for number, each in wanted.items()}
        return {number: result.low_watermark for number, result in done.items()}

    def _ask(self, ask: Ask[Part], parts: Iterable[Part]) -> Questions[Part]:
        return Questions(self._admin, ask, parts)

    def _ask_to(self, ask: Ask[Part], parts: Iterable[Part]) -> Questions[Part]:
        """The same, to change something."""
        return Questions(self._admin, ask, parts, NOTHING_DONE)

    def _do(self, ask: Ask[Part], part: Part, doing: str) -> None:
        """Have one thing done."""
        self._done(self._ask_to(ask, [part]), part, doing)

    def _done(self, questions: Questions[Part], part: Part, doing: str) -> Any:
        try:
            return self._result(questions, part, doing)
        except _Refused as error:
            raise error.told from None

    def _result(
        self, questions: Questions[Part], part: Part, doing: str, *, missing: Any = ..., also: tuple[int, ...] = ()
    ) -> Any:
        """What the cluster answered; `missing` where there is no such topic, or the error is one of `also`."""
        kafka = load()
        try:
            return questions.answer(part, doing)
        except kafka.KafkaException as error:
            code = error.args[0].code()
            if missing is not ... and code in (kafka.KafkaError.UNKNOWN_TOPIC_OR_PART, *also):
                return missing
            told = as_error(error.args[0], self._connection, doing)
            raise told if missing is not ... else _Refused(code, told) from None


class _Refused(Exception):
    """code: of a KafkaError; told: it in our words."""

    def __init__(self, code: int, told: StreamcliError) -> None:
        self.code = code
        self.told = told


def is_set(entry: Any) -> bool:
    """Whether a ConfigEntry is the topic's own value."""
    return bool(entry.source == import_module("confluent_kafka.admin").ConfigSource.DYNAMIC_TOPIC_CONFIG.value)


def settings_of(topic: ClusterTopic, entries: dict[str, Any]) -> TopicSettings:
    names = sorted(entries)
    in_force = {name: as_value(name, entries[name].value or "") for name in names}
    return TopicSettings(len(topic.partitions), in_force, [name for name in names if is_set(entries[name])])


def config_of(topic: ClusterTopic, entries: dict[str, Any]) -> TopicConfig:
    """What a log directory knows too of a topic's config, in force."""
    found = {name: entries[name].value for name in SETTINGS if name in entries}
    return TopicConfig(len(topic.partitions), {name: as_value(name, text) for name, text in found.items()})


def as_value(name: str, text: str) -> Value:
    """A value as Kafka has it, as engine.config has it: a number where it is one."""
    setting = SETTINGS.get(name)
    if setting is not None and setting.kind == CHOICE:
        return ",".join(sorted({word.strip() for word in text.split(",")}))
    if setting is not None and setting.kind == RATIO:
        return float(text)
    return int(text) if text.lstrip("-").isdigit() else text


def change(cluster: Topics, topic: str, before: TopicSettings, alteration: Alteration) -> None:
    """Do what differs from what there is; that the cluster refuses it is known before the first change."""
    more = alteration.partitions if alteration.partitions != before.partitions else None
    if more is not None and more < before.partitions:
        raise too_few_partitions(topic, before.partitions)
    for name in alteration.unset:
        if name not in before.in_force:
            raise UsageError(
                f"no such topic config: {name}: {did_you_mean(name, before.in_force, 'see topics describe')}"
            )
    settings = {
        name: str(value)
        for name, value in alteration.settings.items()
        if name not in before.set or before.in_force[name] != as_value(name, str(value))
    }
    unset = alteration.unset.intersection(before.set)
    if more is not None:
        cluster.add_partitions(topic, more, just_ask=True)
    if settings or unset:
        cluster.alter(topic, settings, unset)
    if more is not None:
        cluster.add_partitions(topic, more)

"""Asking by confluent-kafka's AdminClient, which answers by futures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.connection import FIRST_WAIT, Connection, as_error, load, told
from streamcli.kafka.passing import Patience, is_passing

if TYPE_CHECKING:
    from concurrent.futures import Future

Part = TypeVar("Part", bound=Hashable)


class Admin:
    """client: an AdminClient, made anew where what it has learned of the cluster may be of before: it asks the broker that it found
    first for a group, as long as that is up."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.renew()

    def renew(self) -> None:
        from confluent_kafka.admin import AdminClient

        with told(self.connection, "set up a client"):
            settings: dict[str, Any] = self.connection.settings()
            self.client: Any = AdminClient(settings | {"error_cb": self.connection.heard.take})

    def poll(self, timeout: float) -> object:
        """Hear what is wrong with its connections."""
        return self.client.poll(timeout)


class Questions(Generic[Part]):
    """What is asked of several parts: of all at once when this is made, and of one again, by a new client, while its error passes.

    ask: asks an AdminClient about some parts, and gives a future for each. Errors are waited out for `connection.timeout` seconds in
    all.
    """

    def __init__(
        self, admin: Admin, ask: Callable[[Any, list[Part]], Mapping[Part, Future[Any]]], parts: Iterable[Part]
    ) -> None:
        self._admin = admin
        self._client = admin.client  # which has to be there for as long as its answers are waited for
        self._ask = ask
        self._patience = Patience(admin.connection.timeout)
        self.parts = list(parts)
        self._futures = ask(admin.client, self.parts) if self.parts else {}

    def answer(self, part: Part, doing: str, error_in: Callable[[Any], Any] = lambda _: None) -> Any:
        """The answer for one part. KafkaException; StreamcliError as soon as there is what trying again does not mend.

        doing: as in `cannot DOING`; error_in: the KafkaError in an answer that may be asked for again, or None.
        """
        future = self._futures[part]
        while True:
            answer = raised = None
            try:
                answer = self._result(future, doing)
                error = error_in(answer)
            except load().KafkaException as exception:
                raised, error = exception, exception.args[0]
            if not is_passing(error) or not self._patience.pause():
                break
            if self._admin.client is self._client:
                self._admin.renew()
            future = self._ask(self._admin.client, [part])[part]
        if raised is not None:
            raise raised
        return answer

    def _result(self, future: Future[Any], doing: str) -> Any:
        heard = self._admin.connection.heard
        while True:
            try:
                return future.result(FIRST_WAIT)
            except TimeoutError:
                self._admin.poll(0)
                if heard.is_hopeless():
                    raise as_error(heard.error, self._admin.connection, doing) from None
            except load().KafkaException:
                self._admin.poll(0)
                raise


def ask_for_offsets(
    admin: Admin, specs: Mapping[TopicPartition, Any], *, is_readable: bool = True
) -> Questions[TopicPartition]:
    """Offset and timestamp in partitions, -1 where there is none, by an OffsetSpec for each. is_readable: of what is before the first
    transaction that is open, where a consumer's end is."""
    import confluent_kafka

    levels = confluent_kafka.IsolationLevel
    level = levels.READ_COMMITTED if is_readable else levels.READ_UNCOMMITTED

    def ask(client: Any, places: list[TopicPartition]) -> dict[TopicPartition, Future[Any]]:
        asked = {confluent_kafka.TopicPartition(*place): specs[place] for place in places}
        futures = client.list_offsets(asked, isolation_level=level, request_timeout=admin.connection.timeout)
        return {(one.topic, one.partition): future for one, future in futures.items()}

    return Questions(admin, ask, specs)


def ask_for_groups(admin: Admin, names: Iterable[str]) -> Questions[str]:
    """Descriptions of groups."""
    timeout = admin.connection.timeout
    return Questions(admin, lambda client, some: client.describe_consumer_groups(some, request_timeout=timeout), names)


def ask_for_commits(admin: Admin, names: Iterable[str]) -> Questions[str]:
    """What groups have committed, as ConsumerGroupTopicPartitions."""
    from confluent_kafka import ConsumerGroupTopicPartitions

    def ask(client: Any, some: list[str]) -> dict[str, Future[Any]]:
        found: dict[str, Future[Any]] = {}
        for name in some:  # librdkafka takes one at a time
            group = ConsumerGroupTopicPartitions(name)
            (found[name],) = client.list_consumer_group_offsets(
                [group], request_timeout=admin.connection.timeout
            ).values()
        return found

    return Questions(admin, ask, names)

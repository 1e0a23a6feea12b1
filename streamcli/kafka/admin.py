"""Asking by confluent-kafka's AdminClient, which answers by futures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from streamcli.groups.assignment import TopicPartition
from streamcli.kafka.client import UNKNOWN
from streamcli.kafka.connection import FIRST_WAIT, Connection, as_error, load, told
from streamcli.kafka.passing import PASSING, Patience, is_late, no_answer

if TYPE_CHECKING:
    from concurrent.futures import Future

_LEAST = 0.1
"""Seconds that a question may take, however little time is left."""

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


Ask = Callable[[Any, list[Part], float], "Mapping[Part, Future[Any]]"]
"""Asks an AdminClient about some parts, which may take so many seconds, and gives a future for each."""


class Questions(Generic[Part]):
    """What is asked of several parts: of all at once when this is made. What is refused meanwhile is asked again, all of it at once
    and by a new client, for `connection.timeout` seconds from the first refusal that is met, or with the patience that is given, of several
    of these.

    passing: the numbers of such errors; for what changes something those that say that nothing was done. error_in: the KafkaError that an
    answer has in it, or None.
    """

    def __init__(
        self,
        admin: Admin,
        ask: Ask[Part],
        parts: Iterable[Part],
        passing: frozenset[int] = PASSING,
        error_in: Callable[[Any], Any] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        self._admin = admin
        self._ask = ask
        self._passing = passing
        self._error_in = error_in
        self._patience = patience or Patience(admin.connection.timeout)
        self._clients = [admin.client]  # which have to be there for as long as answers of theirs are waited for
        self.parts = list(dict.fromkeys(parts))
        self._futures = dict(ask(admin.client, self.parts, admin.connection.timeout)) if self.parts else {}

    def answer(self, part: Part, doing: str) -> Any:
        """The answer for one part, to be asked for once. KafkaException; StreamcliError as soon as there is what trying again does not
        mend. doing: as in `cannot DOING`."""
        refused = None
        while True:
            try:
                answer = self._result(self._futures[part], doing)
                break
            except load().KafkaException as error:
                if not self._passes(error.args[0]) or not self._patience.pause():
                    raise refused if refused and is_late(error.args[0]) else error from None
                refused = error
            self._ask_again(part)
        del self._futures[part]
        return answer

    def _passes(self, error: Any) -> bool:
        return error is not None and error.code() in self._passing

    def _ask_again(self, part: Part) -> None:
        """Of this part, and of the others that were refused too."""
        refused = [other for other, future in self._futures.items() if other == part or self._is_refused(future)]
        if self._admin.client is self._clients[-1]:
            self._admin.renew()
        self._clients.append(self._admin.client)
        self._futures |= self._ask(self._admin.client, refused, max(self._patience.left, _LEAST))

    def _is_refused(self, future: Future[Any]) -> bool:
        if not future.done():
            return False
        error = future.exception()
        if error is None:
            return self._passes(self._error_in(future.result()))
        return isinstance(error, load().KafkaException) and self._passes(error.args[0])

    def _result(self, future: Future[Any], doing: str) -> Any:
        heard = self._admin.connection.heard
        while True:
            try:
                answer = future.result(FIRST_WAIT)
                if error := self._error_in(answer):
                    raise load().KafkaException(error)
                return answer
            except TimeoutError:
                self._admin.poll(0)
                if heard.is_hopeless():
                    raise as_error(heard.error, self._admin.connection, doing) from None
            except load().KafkaException:
                self._admin.poll(0)
                raise


def ask_for_offsets(
    admin: Admin, specs: Mapping[TopicPartition, Any], *, is_readable: bool = True, patience: Patience | None = None
) -> Questions[TopicPartition]:
    """Offset and timestamp in partitions, -1 where there is none, by an OffsetSpec for each. is_readable: of what is before the first
    transaction that is open, where a consumer's end is."""
    import confluent_kafka

    levels = confluent_kafka.IsolationLevel
    level = levels.READ_COMMITTED if is_readable else levels.READ_UNCOMMITTED

    def ask(client: Any, places: list[TopicPartition], timeout: float) -> dict[TopicPartition, Future[Any]]:
        asked = {confluent_kafka.TopicPartition(*place): specs[place] for place in places}
        futures = client.list_offsets(asked, isolation_level=level, request_timeout=timeout)
        return {(one.topic, one.partition): future for one, future in futures.items()}

    def error_in(found: Any) -> Any:
        return no_answer() if found.offset == UNKNOWN else None

    return Questions(admin, ask, specs, error_in=error_in, patience=patience)


def ask_for_groups(admin: Admin, names: Iterable[str]) -> Questions[str]:
    """Descriptions of groups."""

    def ask(client: Any, some: list[str], timeout: float) -> Any:
        return client.describe_consumer_groups(some, request_timeout=timeout)

    return Questions(admin, ask, names)


def ask_for_commits(admin: Admin, names: Iterable[str]) -> Questions[str]:
    """What groups have committed, as ConsumerGroupTopicPartitions."""
    from confluent_kafka import ConsumerGroupTopicPartitions

    def ask(client: Any, some: list[str], timeout: float) -> dict[str, Future[Any]]:
        found: dict[str, Future[Any]] = {}
        for name in some:  # librdkafka takes one at a time
            group = ConsumerGroupTopicPartitions(name)
            (found[name],) = client.list_consumer_group_offsets([group], request_timeout=timeout).values()
        return found

    return Questions(admin, ask, names)

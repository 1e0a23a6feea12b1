"""What a user may not do is told as that, and nothing else is asked for than what is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.support.command import ok, refused
from tests.support.waiting import DEADLINE, wait_until


class Denied:
    """What nobody may do on the broker, for as long as a test runs."""

    def __init__(self, address: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": address})
        self._names: list[tuple[ResourceType, str]] = []

    def deny(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        said = (operation, AclPermissionType.DENY), (AclOperation.ALL, AclPermissionType.ALLOW)  # a denial counts more
        acls = [AclBinding(kind, name, ResourcePatternType.LITERAL, "User:*", "*", *each) for each in said]
        for future in self._admin.create_acls(acls).values():
            try:
                future.result(DEADLINE)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.SECURITY_DISABLED:
                    pytest.skip("the broker has no authorizer")
                raise
        self._names.append((kind, name))
        wait_until(lambda: self._in_force(kind, name) == len(acls), "the broker to know its ACLs")

    def _in_force(self, kind: ResourceType, name: str) -> int:
        """How many ACLs the broker goes by: it takes a moment until it has those that the controller has made."""
        return len(self._admin.describe_acls(_all_of(kind, name)).result(DEADLINE))

    def allow(self) -> None:
        filters = [_all_of(kind, name) for kind, name in self._names]
        for future in self._admin.delete_acls(filters).values() if filters else ():
            future.result(DEADLINE)


def _all_of(kind: ResourceType, name: str) -> AclBindingFilter:
    return AclBindingFilter(
        kind, name, ResourcePatternType.LITERAL, None, None, AclOperation.ANY, AclPermissionType.ANY
    )


@pytest.fixture
def denied(kafka: str) -> Iterator[Denied]:
    denied = Denied(kafka)
    yield denied
    denied.allow()


def test_a_topic_that_may_not_be_read(denied: Denied, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    denied.deny(ResourceType.TOPIC, t, AclOperation.ALL)
    for words in (["consume", t], ["consume", t, "-g", g], ["tail", t], ["topics", "describe", t], ["produce", t]):
        line = refused(1, *words)
        assert t in line
        assert "ACL" in line


def test_reading_without_a_group_needs_no_right_to_one(denied: Denied, t: str, g: str) -> None:
    ok("produce", t, stdin=b"1\n")
    denied.deny(ResourceType.GROUP, "streamcli", AclOperation.READ)
    denied.deny(ResourceType.GROUP, g, AclOperation.READ)
    assert "ACL" in refused(1, "consume", t, "-g", g)
    for _ in range(3):
        assert ok("consume", t) == b"1\n"


def test_a_topic_whose_config_may_not_be_seen(denied: Denied, t: str) -> None:
    ok("topics", "create", t)
    denied.deny(ResourceType.TOPIC, t, AclOperation.DESCRIBE_CONFIGS)
    wait_until(lambda: b"retention" not in ok("topics", "describe", t), "the ACL")
    ok("produce", t, stdin=b"1\n")
    assert ok("topics", "describe", t).startswith(f"topic {t}: 1 partition, 1 record\n".encode())

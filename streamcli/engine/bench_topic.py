"""The temporary topic in which a log directory's speed is measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from streamcli.engine.ensure_topic import create_topic
from streamcli.record.errors import NotFound
from streamcli.storage import durable, layout
from streamcli.storage.config import TopicConfig
from streamcli.storage.directory import LogDirectory
from streamcli.storage.locks import topics_lock
from streamcli.storage.opening import open_file


class BenchTopic:
    """A topic to measure with, and a plain file beside its partitions to compare it with."""

    def __init__(self, directory: LogDirectory, name: str) -> None:
        self.name = name
        self.plain_path = layout.plain_file(layout.topic_directory(directory.path, name))

    @contextmanager
    def plain_file(self) -> Iterator[int]:
        """A descriptor of the plain file, made anew, to write to."""
        self.remove_plain_file()
        fd = open_file(self.plain_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        try:
            yield fd
        finally:
            os.close(fd)

    def remove_plain_file(self) -> None:
        durable.remove_file(self.plain_path)


@contextmanager
def bench_topic(directory: LogDirectory, partitions: int) -> Iterator[BenchTopic]:
    """A new topic, for as long as it lasts; Busy while another bench has one in this directory.

    It is left behind by a process that is killed. So a lock is held for as long as it is needed, and who holds that lock
    removes every topic of such a name: nobody needs it any more.
    """
    durable.make_directories(directory.path)
    with topics_lock(os.path.join(directory.path, layout.BENCH_LOCK), directory.lock_timeout):
        remove_bench_topics(directory)
        topic = BenchTopic(directory, layout.new_bench_topic())
        create_topic(directory, topic.name, TopicConfig(partitions, {}))
        yield topic


def remove_bench_topics(directory: LogDirectory) -> None:
    """Remove every topic that was made to measure with. Only under the lock of `bench_topic`."""
    for name in filter(layout.is_bench_topic, directory.topics()):
        with suppress(NotFound):
            directory.delete_topic(name)

"""A log directory: its format file, and the topics in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from streamcli.record.errors import NotFound, StreamcliError, UsageError, did_you_mean, no_partition
from streamcli.storage import durable, layout
from streamcli.storage.checkpoint import Checkpoint
from streamcli.storage.config import MAX_PARTITIONS, TopicConfig, check_config, decode_config, encode_config
from streamcli.storage.format import NO_TIMESTAMP
from streamcli.storage.layout import SegmentName
from streamcli.storage.locks import ExclusiveLock, check_local, topics_lock
from streamcli.storage.log_start import encode_log_start
from streamcli.storage.opening import read_file, refuse_links

FORMAT_VERSION = 1
_FORMAT = {"format": "streamcli log directory", "version": FORMAT_VERSION}


class TopicExists(StreamcliError):
    """A topic to be created is there already."""


def too_few_partitions(topic: str, there: int) -> UsageError:
    """The error for fewer than are there."""
    return UsageError(
        f"topic {topic} has {there} partitions, and cannot have fewer: the records in the others would be lost; make another "
        "topic and copy them"
    )


class LogDirectory:
    """The log directory at `path`. With `create` it is made when missing or empty; without, a missing one has no topics."""

    def __init__(self, path: str, *, lock_timeout: float, create: bool = False) -> None:
        self.path = path
        self.lock_timeout = lock_timeout
        self.exists = self._check_format(create)

    def topics_directory(self) -> str:
        """Where topics appear and disappear, to be watched."""
        return os.path.join(self.path, layout.TOPICS)

    def config(self, topic: str) -> TopicConfig:
        """A topic's config; NotFound when there is no such topic."""
        path = self.config_path(topic)
        refuse_links(self.path, layout.TOPICS, topic)
        try:
            return decode_config(read_file(path), path)
        except (FileNotFoundError, NotADirectoryError):
            raise self.no_topic(topic) from None

    def config_path(self, topic: str) -> str:
        """Where a topic's config is."""
        return os.path.join(layout.topic_directory(self.path, topic), layout.CONFIG_FILE)

    def topics(self, pattern: str = "*") -> list[str]:
        """The names of the topics that match a glob, sorted."""
        from fnmatch import fnmatchcase

        found = [name for name in self._named_directories() if fnmatchcase(name, pattern)]
        return [name for name in found if self._has_config(name)]

    def _has_config(self, topic: str) -> bool:
        """Whether a name is a topic's. One that we may not look into is: who reads its config is told so."""
        try:
            os.lstat(self.config_path(topic))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def create_topic(self, topic: str, config: TopicConfig, prepare: Callable[[], None] = lambda: None) -> None:
        """Make a topic, whole or not at all, and durable. TopicExists when it is there.

        prepare: called when the topic is sure to be made, before anybody can see it.
        """
        target = layout.topic_directory(self.path, topic)
        check_config(config)
        with self._changing_topics():
            if os.path.exists(self.config_path(topic)):
                raise TopicExists(f"topic {topic} exists already ({target})")
            if os.path.lexists(target):
                raise StreamcliError(f"{target} is in the way, and is no topic: move it elsewhere")
            temporary = layout.temporary_name(target)
            os.mkdir(temporary)
            try:
                for partition in range(config.partitions):
                    _make_partition(os.path.join(temporary, str(partition)))
                durable.create_file(os.path.join(temporary, layout.CONFIG_FILE), encode_config(config))
                durable.sync_tree(temporary)
                prepare()
                durable.rename_directory(temporary, target)
            except BaseException:
                durable.remove_tree(temporary)
                raise

    def alter_topic(self, topic: str, change: Callable[[TopicConfig], TopicConfig]) -> tuple[TopicConfig, TopicConfig]:
        """Replace a topic's config, at once for everyone, by what `change` makes of it: (before, after). More partitions are
        made first; from a process that dies in between they stay, empty, and the next that alters the topic takes them.
        NotFound when there is no such topic, UsageError for fewer partitions.
        """
        self.config(topic)
        with self._changing_topics():
            before = self.config(topic)
            after = change(before)
            check_config(after)
            if after.partitions < before.partitions:
                raise too_few_partitions(topic, before.partitions)
            if after != before:
                self._make_partitions(topic, range(before.partitions, after.partitions))
                durable.replace_file(self.config_path(topic), encode_config(after))
        return before, after

    def _make_partitions(self, topic: str, numbers: range) -> None:
        """Make those that are not there, each whole or not at all, and all durable."""
        directory = layout.topic_directory(self.path, topic)
        refuse_links(self.path, layout.TOPICS, topic)
        durable.remove_temporaries(directory)
        targets = [layout.partition_directory(self.path, topic, number) for number in numbers]
        made = {layout.temporary_name(target): target for target in targets if not os.path.isdir(target)}
        try:
            for temporary in made:
                _make_partition(temporary)
            durable.sync_tree(*made)
            for temporary, target in made.items():
                durable.rename_file(temporary, target)
        except BaseException:
            for temporary in made:
                durable.remove_tree(temporary)
            raise
        durable.sync_directory(directory)

    def delete_topic(self, topic: str) -> None:
        """Remove a topic: at once for everyone, then its files. Waits for appends in flight; NotFound when there is none."""
        target = layout.topic_directory(self.path, topic)
        with self._changing_topics():
            locks = [self._append_lock(topic, partition) for partition in range(self.config(topic).partitions)]
            doomed = layout.temporary_name(target)
            # Held in the order of the partitions, by the one process that holds the topics lock: no two can wait for each other.
            held: list[ExclusiveLock] = []
            try:
                for lock in locks:
                    held.append(lock.__enter__())
                durable.rename_directory(target, doomed)
            finally:
                for lock in held:
                    lock.__exit__()
                for lock in locks:
                    lock.close()
            durable.remove_tree(doomed)

    def unconfigured_topics(self) -> list[str]:
        """Names that have partitions, and no config: topics whose config was removed."""
        names = self._named_directories()
        return [name for name in names if not os.path.lexists(self.config_path(name)) and self.partition_numbers(name)]

    def partition_numbers(self, topic: str) -> list[int]:
        """The partitions of which there is a directory, ascending, whatever the config says."""
        refuse_links(self.path, layout.TOPICS, topic)
        try:
            found = layout.partition_numbers(layout.topic_directory(self.path, topic))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [number for number in found if number < MAX_PARTITIONS]

    def partitions_without_config(self, topic: str) -> int:
        """How many partitions there are by their directories: all up to the first number that is missing."""
        numbers = self.partition_numbers(topic)
        return next((number for number, found in enumerate(numbers) if number != found), len(numbers))

    def restore_config(self, topic: str) -> str | None:
        """Replace a config that is damaged, gone, or knows too few partitions, by one for the partitions that are there, with
        the settings of before where these can be read, else the default ones.

        Returns where a copy of the one before is kept.
        """
        path = self.config_path(topic)
        kept = None
        with self._changing_topics():
            partitions, overrides = self.partitions_without_config(topic), {}
            with suppress(StreamcliError):
                overrides = self.config(topic).overrides
            if os.path.lexists(path):
                kept = layout.free_name(f"{path}.damaged")
                durable.rename_file(path, kept)
            durable.replace_file(path, encode_config(TopicConfig(max(partitions, 1), overrides)))
        return kept

    def restore_partition(self, topic: str, partition: int, base_offset: int) -> None:
        """Make the directory of a partition again, empty, its next offset `base_offset`."""
        target = layout.partition_directory(self.path, topic, partition)
        with self._changing_topics():
            refuse_links(self.path, layout.TOPICS, topic)
            if os.path.lexists(target):
                return
            temporary = layout.temporary_name(target)
            _make_partition(temporary, base_offset)
            durable.sync_tree(temporary)
            durable.rename_directory(temporary, target)

    def has_partition(self, topic: str, partition: int) -> bool:
        """Whether the topic is there, and has that partition."""
        try:
            return partition < self.config(topic).partitions
        except NotFound:
            return False

    def partition_path(self, topic: str, partition: int) -> str:
        """Where a partition is, if there is one. NotAPlainFile for a link on the way."""
        path = layout.partition_directory(self.path, topic, partition)
        refuse_links(self.path, layout.TOPICS, topic, str(partition))
        return path

    def _named_directories(self) -> list[str]:
        """The names in DIR/topics that a topic may have, of directories, sorted."""
        refuse_links(self.path, layout.TOPICS)
        try:
            with os.scandir(self.topics_directory()) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(filter(layout.is_topic_name, names))

    def check_local(self) -> None:
        """Refuse to write on a file system where locks do not exclude other machines."""
        check_local(self.path)

    def partition_directory(self, topic: str, partition: int) -> str:
        """The directory of one partition; NotFound when the topic has no such partition."""
        partitions = self.config(topic).partitions
        if not 0 <= partition < partitions:
            raise no_partition(topic, partition, partitions)
        return self.partition_path(topic, partition)

    def _append_lock(self, topic: str, partition: int) -> ExclusiveLock:
        directory = self.partition_path(topic, partition)
        return ExclusiveLock(os.path.join(directory, layout.LOCK), self.lock_timeout)

    def no_topic(self, topic: str) -> NotFound:
        """The error for a topic that is not there; it names the nearest that is."""
        if not self.exists:
            return NotFound(
                f"no such topic: {topic}: there is no log directory at {self.path}: choose another with --dir or STREAMCLI_DIR"
            )
        topics: list[str] = []
        with suppress(OSError):
            topics = self.topics()
        remedy = did_you_mean(topic, topics, "see `streamcli topics list`")
        return NotFound(f"no such topic: {topic} (in {self.path}): {remedy}")

    def _check_format(self, create: bool) -> bool:
        path = os.path.join(self.path, layout.FORMAT_FILE)
        try:
            found = read_file(path, 4096)
        except FileNotFoundError:
            if not create:
                self._refuse_stranger()
                return False
            self._create()
            return True
        except NotADirectoryError:
            raise StreamcliError(
                f"{self.path} is not a directory: choose another with --dir or STREAMCLI_DIR"
            ) from None
        _check_version(found, path)
        return True

    def _refuse_stranger(self) -> None:
        """Refuse a directory with other things in it: it is somebody else's."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return
        strange = [name for name in names if not name.startswith(layout.TEMPORARY)]
        if strange and not os.path.exists(os.path.join(self.path, layout.FORMAT_FILE)):
            raise StreamcliError(
                f"{self.path} is not a log directory and not empty (it holds {sorted(strange)[0]!r}): "
                "choose another with --dir or STREAMCLI_DIR"
            )

    def _create(self) -> None:
        durable.make_directories(self.path)
        self._refuse_stranger()
        self.check_local()
        text = json.dumps(_FORMAT) + "\n"
        path = os.path.join(self.path, layout.FORMAT_FILE)
        try:
            durable.replace_file(path, text.encode())
        except FileNotFoundError:  # another process was first, and swept ours
            if not os.path.exists(path):
                raise

    @contextmanager
    def _changing_topics(self) -> Iterator[None]:
        """Hold the topics lock; what a process that died under it left unfinished is swept."""
        topics = self.topics_directory()
        refuse_links(self.path, layout.TOPICS)
        durable.make_directories(topics)
        self.check_local()
        with topics_lock(os.path.join(self.path, layout.LOCK), self.lock_timeout):
            durable.remove_temporaries(self.path, layout.FORMAT_FILE)
            durable.remove_temporaries(topics)
            yield


def _make_partition(directory: str, base_offset: int = 0) -> None:
    os.mkdir(directory)
    durable.create_file(layout.segment_path(directory, SegmentName.of(base_offset)))
    durable.create_file(os.path.join(directory, layout.LOCK))
    if base_offset:
        durable.create_file(os.path.join(directory, layout.LOG_START), encode_log_start(base_offset))
    start = Checkpoint(durable.boot_id(), base_offset, 0, base_offset, NO_TIMESTAMP)
    durable.create_file(os.path.join(directory, layout.CHECKPOINT), start.encode())


def _check_version(found: bytes, path: str) -> None:
    try:
        version = json.loads(found)["version"]
        if type(version) is not int:
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StreamcliError(f"{path} does not say which format the directory has: restore it from a copy") from None
    if version != FORMAT_VERSION:
        raise StreamcliError(
            f"the log directory has format {version}, this streamcli reads {FORMAT_VERSION} ({path}): upgrade streamcli"
        )

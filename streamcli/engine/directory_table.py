"""The table of a log directory's topic: see engine.interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from streamcli.engine.consume import Source, SourceBatch, topic_sources
from streamcli.engine.directory_reader import missing_notice
from streamcli.engine.newest_value import newest_records
from streamcli.engine.read_options import TableOptions
from streamcli.engine.table import Table, TableRequest
from streamcli.storage.directory import LogDirectory


class DirectoryTable:
    """See engine.interface."""

    def __init__(self, directory: LogDirectory, options: TableOptions) -> None:
        self._options = options
        self._request = TableRequest(
            sources=topic_sources(directory, options.topic, options.partitions),
            partitions=directory.config(options.topic).partitions,
            stop=options.stop,
            on_damage=options.on_damage,
            on_missing=self._tell_missing,
        )

    def rows(self) -> Iterator[SourceBatch]:
        with closing(Table(self._request)) as table:
            yield from table.rows()

    def newest(self, keys: Sequence[bytes]) -> dict[bytes, SourceBatch]:
        return newest_records(self._request, keys)

    def _tell_missing(self, source: Source, size: int) -> None:
        self._options.notice(missing_notice(source, size))

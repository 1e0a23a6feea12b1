"""streamcli: topics, partitions, offsets and consumer groups over a plain directory, with no server.

The commands' work from Python, for scripts that outgrow the shell, on the same log directories at the same time:

    >>> import streamcli
    >>> directory = streamcli.open()
    >>> with directory.producer("clicks") as producer:
    ...     producer.append(b"GET /cart", key=b"ann")
    ...     producer.append(b"GET /order", key=b"bob", headers=[("by", b"web-1")])
    >>> for record in directory.read("clicks"):
    ...     print(record.offset, record.key, record.value)
    0 b'ann' b'GET /cart'
    1 b'bob' b'GET /order'
    >>> with directory.consume("clicks", group="billing") as consumer:
    ...     for record in consumer:
    ...         print(record.value)
    b'GET /cart'
    b'GET /order'

`open` gives a Directory, which everything else comes from. What the commands promise holds here: see Producer, Reader and
Consumer for what each call does to the disk. Keys and values are bytes, None is null; times are ms since the epoch, or a
datetime where one is asked for; timeouts are seconds.

Threads: a Directory may be used by all, a Producer, Reader or Consumer by one at a time. After a fork the child opens its own;
one that was opened before refuses to work there. Signals are left to the caller: KeyboardInterrupt, and whatever a handler
raises, passes through as any other exception does. What would be told on standard error by a command goes to the logger `streamcli`.

Errors: StreamcliError is the base of all, and OSError comes through as it is.

    StreamcliError
    ├── UnsupportedBatch      a record batch that this installation cannot take apart
    ├── UsageError            what was asked for cannot be: a bad name, value or setting
    ├── NotFound              no such topic or partition
    ├── OffsetOutOfRange      an offset that is not there
    ├── CorruptData           damaged data: file, position and offsets are in it
    ├── Busy                  a lock not had in time
    ├── PartWritten           a producer failed; `durable` counts its records that are on disk
    └── TopicExists           a topic to be created is there
"""

TYPE_CHECKING = False  # typing's own would be imported by every command before it starts
if TYPE_CHECKING:
    from streamcli.library.consume import Consumer as Consumer
    from streamcli.library.consumer_record import ConsumerRecord as ConsumerRecord
    from streamcli.library.directory import Directory as Directory
    from streamcli.library.directory import open as open
    from streamcli.library.produce import Producer as Producer
    from streamcli.library.read import Reader as Reader
    from streamcli.library.topic import PartitionDescription as PartitionDescription
    from streamcli.library.topic import TopicDescription as TopicDescription
    from streamcli.record.errors import Busy as Busy
    from streamcli.record.errors import CorruptData as CorruptData
    from streamcli.record.errors import NotFound as NotFound
    from streamcli.record.errors import OffsetOutOfRange as OffsetOutOfRange
    from streamcli.record.errors import PartWritten as PartWritten
    from streamcli.record.errors import StreamcliError as StreamcliError
    from streamcli.record.errors import UnsupportedBatch as UnsupportedBatch
    from streamcli.record.errors import UsageError as UsageError
    from streamcli.storage.directory import TopicExists as TopicExists

__version__ = "0.1.0"

__all__ = [
    "Busy",
    "Consumer",
    "ConsumerRecord",
    "CorruptData",
    "Directory",
    "NotFound",
    "OffsetOutOfRange",
    "PartWritten",
    "PartitionDescription",
    "Producer",
    "Reader",
    "StreamcliError",
    "TopicDescription",
    "TopicExists",
    "UnsupportedBatch",
    "UsageError",
    "open",
]

_HOMES = {
    "Consumer": "library.consume",
    "ConsumerRecord": "library.consumer_record",
    "Directory": "library.directory",
    "PartitionDescription": "library.topic",
    "Producer": "library.produce",
    "Reader": "library.read",
    "TopicDescription": "library.topic",
    "TopicExists": "storage.directory",
    "open": "library.directory",
}


if not TYPE_CHECKING:  # or a type checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        """A public name, imported when it is first used: every command imports this module before it starts."""
        if name not in __all__:
            raise AttributeError(f"module 'streamcli' has no attribute {name!r}")
        from importlib import import_module

        found: object = getattr(import_module(f"streamcli.{_HOMES.get(name, 'record.errors')}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

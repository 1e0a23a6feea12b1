"""Which records of a run of batches are the newest of their key, found in bounded memory.

The records are numbered 0, 1, 2 ... in the order in which their batches come; a dict holds, for each key, the number of
its newest record so far. What the dict holds when the batches end survives, and is marked in a bitmap. When the dict
grows past its limit, the keys are split in two classes by a bit of their hash: this pass goes on with the one, and a
later pass over the same batches takes the other. A class that still does not fit is split again, so that n times as
many keys as fit cost about n passes, and no number of keys costs more memory. (Kafka's cleaner holds a table of
16-byte hashes instead, and lets a key whose hash another one has lose its newest record.)

A key longer than 32 bytes is stood for by its BLAKE2b digest of 33 bytes, which no shorter key can be equal to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import compress, islice

from streamcli.record.batch import RecordBatch

ENTRY_SIZE = 192
"""Bytes that a key takes in the dict besides its own, at most: 48 for its object, 32 for the number, 90 for its slot while
the dict grows (the old table and the new one), and some for its slot in the dict that is left after a split."""

_LONGEST_KEY = 32
_DIGEST_SIZE = 33
_SLICE = 4096
"""Keys between two looks at the size: by so many it may pass its limit."""

_CLASS_SHIFT = 20
"""Classes come from bits of the hash that the dict does not use first: keys of one class would collide in it."""

_BITS = bytes.maketrans(b"01", b"\0\1")

Batches = Callable[[], Iterable[RecordBatch]]


class Survivors:
    """A set of record numbers: a bit for each, set for those that are in it. `count`: numbers there are."""

    __slots__ = ("_bits", "count")

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def indexes(self, first: int, count: int) -> Sequence[int]:
        """Which of the `count` records from number `first` on survive, counted from 0, ascending; a range: all of them."""
        bits = self._run(first, count)
        if bits.bit_count() == count:
            return range(count)
        flags = format(bits, f"0{count}b").encode().translate(_BITS)
        return list(compress(range(count), flags[::-1]))

    def count_between(self, first: int, count: int) -> int:
        """How many of the `count` records from number `first` on survive."""
        return self._run(first, count).bit_count()

    def _run(self, first: int, count: int) -> int:
        """The bits of `count` records from number `first` on, that of the first the lowest."""
        bits = int.from_bytes(self._bits[first >> 3 : (first + count + 7) >> 3], "little") >> (first & 7)
        return bits & ((1 << count) - 1)

    def grow(self, count: int) -> None:
        """There are `count` more numbers, none of them in the set."""
        self.count += count
        self._bits.extend(bytes(((self.count + 7) >> 3) - len(self._bits)))

    def add(self, numbers: Iterable[int]) -> None:
        bits = self._bits
        for number in numbers:
            bits[number >> 3] |= 1 << (number & 7)

    def add_run(self, first: int, count: int) -> None:
        """The `count` numbers from `first` on."""
        begin, end = first >> 3, (first + count + 7) >> 3
        run = ((1 << count) - 1) << (first & 7)
        self._bits[begin:end] = (int.from_bytes(self._bits[begin:end], "little") | run).to_bytes(end - begin, "little")


def newest_of_keys(batches: Batches, *, memory: int) -> Survivors:
    """The numbers of the records that are the newest of their key, and of all that have none (null).

    `batches` is called once for each pass, and has to give the same records each time. `memory`: bytes for the keys
    that are held at once, and at least one key is; the bitmap, of a bit a record, and a batch in hand come on top.
    """
    survivors = Survivors()
    to_do = [_KeyClass(0, 1)]
    run: Iterable[RecordBatch] = _counted(batches(), survivors)
    while True:
        key_class = to_do.pop()
        to_do += key_class.take(run, memory)
        survivors.add(key_class.newest.values())
        if not to_do:
            return survivors
        run = batches()


def _counted(batches: Iterable[RecordBatch], survivors: Survivors) -> Iterator[RecordBatch]:
    """The same batches, while `survivors` gets their numbers, with those of the records without a key in the set."""
    for batch in batches:
        columns = batch.columns
        first = survivors.count
        survivors.grow(batch.count)
        if isinstance(columns.keys, list):
            survivors.add(number for number, key in enumerate(columns.keys, first) if key is None)
        elif columns.keys is None and columns.common_key is None:
            survivors.add_run(first, batch.count)
        yield batch


class _KeyClass:
    """The keys with hash `rest` modulo `modulus`, a power of two. `newest`: key -> number of its newest record so far."""

    __slots__ = ("_held", "_modulus", "_rest", "newest")

    def __init__(self, rest: int, modulus: int) -> None:
        self._rest = rest
        self._modulus = modulus
        self.newest: dict[bytes, int] = {}
        self._held = 0

    def take(self, batches: Iterable[RecordBatch], memory: int) -> list[_KeyClass]:
        """Learn the newest numbers from the whole run; returns the classes that were split off to fit in `memory` bytes."""
        split: list[_KeyClass] = []
        first = 0
        for batch in batches:
            columns = batch.columns
            if columns.keys is not None:
                split += self._take_keys(batch.keys(), first, memory)
            elif columns.common_key is not None and batch.count:
                split += self._take_keys([columns.common_key], first + batch.count - 1, memory)
            first += batch.count
        return split

    def _take_keys(self, keys: list[bytes | None], first: int, memory: int) -> list[_KeyClass]:
        split: list[_KeyClass] = []
        newest = self.newest
        for start in range(0, len(keys), _SLICE):
            known = len(newest)
            newest.update(self._chosen(keys[start : start + _SLICE], first + start))
            added = len(newest) - known
            if added:
                self._held += added * ENTRY_SIZE + sum(map(len, islice(reversed(newest), added)))
                while self._held > memory and len(newest) > 1:
                    split.append(self._split())
                    newest = self.newest
        return split

    def _chosen(self, keys: list[bytes | None], first: int) -> Iterable[tuple[bytes, int]]:
        """The keys of this class, with the numbers of their records."""
        numbers: Sequence[int] = range(first, first + len(keys))
        if None in keys:
            numbers = [number for number, key in zip(numbers, keys, strict=True) if key is not None]
            keys = [key for key in keys if key is not None]
        known: list[bytes] = keys  # type: ignore[assignment]  # no None is left
        if max(map(len, known), default=0) > _LONGEST_KEY:
            known = [_stand_in(key) if len(key) > _LONGEST_KEY else key for key in known]
        pairs = zip(known, numbers, strict=True)
        if self._modulus == 1:
            return pairs
        mask, rest = self._modulus - 1, self._rest
        return [pair for pair in pairs if hash(pair[0]) >> _CLASS_SHIFT & mask == rest]

    def _split(self) -> _KeyClass:
        """Halve the class; returns the half that is left to a later pass."""
        other = _KeyClass(self._rest + self._modulus, self._modulus * 2)
        self._modulus *= 2
        mask, rest = self._modulus - 1, self._rest
        self.newest = {key: number for key, number in self.newest.items() if hash(key) >> _CLASS_SHIFT & mask == rest}
        self._held = len(self.newest) * ENTRY_SIZE + sum(map(len, self.newest))
        return other


def _stand_in(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_SIZE).digest()

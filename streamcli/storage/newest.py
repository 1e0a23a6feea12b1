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

ENTRY_SIZE = 208
"""Bytes that a key takes in the dict besides its own, at most: 48 for its object, 48 for the rank, 90 for its slot while
the dict grows (the old table and the new one), and some for its slot in the dict that is left after a split."""

_LONGEST_KEY = 32
_DIGEST_SIZE = 33
_SLICE = 4096
"""Keys between two looks at the size: by so many it may pass its limit."""

_CLASS_SHIFT = 20
"""Classes come from bits of the hash that the dict does not use first: keys of one class would collide in it."""

_BITS = bytes.maketrans(b"01", b"\0\1")

Keyed = tuple[list[bytes | None], Sequence[int]]
"""Keys, null where there is none, and for each a rank: a number that is greater in a newer record of the key."""


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


def newest_of_keys(batches: Callable[[], Iterable[RecordBatch]], *, memory: int) -> Survivors:
    """The numbers of the records that are the newest of their key, and of all that have none (null).

    `batches` is called once for each pass, and has to give the same records each time. `memory`: bytes for the keys
    that are held at once, and at least one key is; the bitmap, of a bit a record, and a batch in hand come on top.
    """
    survivors = Survivors()

    def run() -> Iterator[Keyed]:
        source = batches() if survivors.count else _counted(batches(), survivors)
        first = 0
        for batch in source:
            yield _keyed(batch, first)
            first += batch.count

    survivors.add(_of_all_keys(run, _KeyClass(0, 1), memory))
    return survivors


def greatest_of_keys(keyed: Callable[[], Iterable[Keyed]], *, memory: int) -> Iterator[int]:
    """The greatest rank of each key; `keyed` and `memory` as in `newest_of_keys`. The ranks of a key differ."""
    return _of_all_keys(keyed, _RankedKeyClass(0, 1), memory)


def _of_all_keys(keyed: Callable[[], Iterable[Keyed]], whole: _KeyClass, memory: int) -> Iterator[int]:
    to_do = [whole]
    while to_do:
        key_class = to_do.pop()
        for keys, ranks in keyed():
            to_do += key_class.take(keys, ranks, memory)
        yield from key_class.newest.values()


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


def _keyed(batch: RecordBatch, first: int) -> Keyed:
    """The keys of a batch whose records are numbered from `first` on; one key of all stands for the last of them."""
    columns = batch.columns
    if columns.keys is not None:
        return batch.keys(), range(first, first + batch.count)
    if columns.common_key is None or not batch.count:
        return [], range(0)
    last = first + batch.count - 1
    return [columns.common_key], range(last, last + 1)


class _KeyClass:
    """The keys with hash `rest` modulo `modulus`, a power of two. `newest`: key -> the last of its ranks so far."""

    __slots__ = ("_held", "_modulus", "_rest", "newest")

    def __init__(self, rest: int, modulus: int) -> None:
        self._rest = rest
        self._modulus = modulus
        self.newest: dict[bytes, int] = {}
        self._held = 0

    def take(self, keys: list[bytes | None], ranks: Sequence[int], memory: int) -> list[_KeyClass]:
        """Learn the ranks of these keys; returns the classes that were split off to fit in `memory` bytes."""
        split: list[_KeyClass] = []
        for start in range(0, len(keys), _SLICE):
            known = len(self.newest)
            self._update(self._chosen(keys[start : start + _SLICE], ranks[start : start + _SLICE]))
            added = len(self.newest) - known
            if added:
                self._held += added * ENTRY_SIZE + sum(map(len, islice(reversed(self.newest), added)))
                while self._held > memory and len(self.newest) > 1:
                    split.append(self._split())
        return split

    def _update(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        self.newest.update(pairs)

    def _chosen(self, keys: list[bytes | None], ranks: Sequence[int]) -> Iterable[tuple[bytes, int]]:
        """The keys of this class, with their ranks."""
        if None in keys:
            ranks = [rank for rank, key in zip(ranks, keys, strict=True) if key is not None]
            keys = [key for key in keys if key is not None]
        known: list[bytes] = keys  # type: ignore[assignment]  # no None is left
        if max(map(len, known), default=0) > _LONGEST_KEY:
            known = [_stand_in(key) if len(key) > _LONGEST_KEY else key for key in known]
        pairs = zip(known, ranks, strict=True)
        if self._modulus == 1:
            return pairs
        mask, rest = self._modulus - 1, self._rest
        return [pair for pair in pairs if hash(pair[0]) >> _CLASS_SHIFT & mask == rest]

    def _split(self) -> _KeyClass:
        """Halve the class; returns the half that is left to a later pass."""
        other = type(self)(self._rest + self._modulus, self._modulus * 2)
        self._modulus *= 2
        mask, rest = self._modulus - 1, self._rest
        self.newest = {key: last for key, last in self.newest.items() if hash(key) >> _CLASS_SHIFT & mask == rest}
        self._held = len(self.newest) * ENTRY_SIZE + sum(map(len, self.newest))
        return other


class _RankedKeyClass(_KeyClass):
    """The same, of ranks that do not come in their order. `newest`: key -> the greatest of its ranks so far."""

    __slots__ = ()

    def _update(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        newest = self.newest
        for key, rank in pairs:
            held = newest.get(key)
            if held is None or held < rank:
                newest[key] = rank


def _stand_in(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_SIZE).digest()

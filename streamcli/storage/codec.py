"""Compressing the bodies of batches: gzip by zlib, zstd and lz4 by packages of which neither has to be there.

A body is one gzip member, one zstd frame or one lz4 frame, with nothing after it. A package is imported when a compressed
batch is met, or is to be written, and not before.

Levels, by pieces of 1 MiB of access-log lines and of JSON lines on the machine of README's table (ratio; MB/s in, out):

    gzip 1  3.8-4.5; 70-110, 200-360    gzip 4  4.2-5.2; 55-77, 320-420    gzip 6  4.5-5.6; 33-38, 350-390
    zstd 1  4.5-5.4; 160-440, 700-1000  zstd 3  4.3-5.2; 110, 620-830      zstd 9  4.8-6.3; 39, 880-1080
    lz4 0   2.7-3.2; 570-790, 2600+     lz4 3   3.4-4.0; 75-110, 2000+

So gzip 4, half as fast again as 6 or more for a tenth in size; zstd 1, smaller than 3 on pieces of this size, and faster;
lz4 0, for who wants more asks zstd.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

from streamcli.record.errors import UnsupportedBatch
from streamcli.storage.format import InvalidBatch

GZIP, LZ4, ZSTD = 1, 3, 4
"""As in the attributes of Kafka's batches. 2, snappy, is not written here, nor read."""

NUMBERS = {"gzip": GZIP, "lz4": LZ4, "zstd": ZSTD}
"""Of the values of compression.type."""

_GZIP_LEVEL, _ZSTD_LEVEL, _LZ4_LEVEL = 4, 1, 0
_GZIP_MEMBER = 31  # zlib's wbits for it
_ZSTD_WINDOW = 23
"""The longest window that a frame may ask its reader for, as a power of two: the 8 MiB that RFC 8878 asks readers to have."""


def check_installed(codec: int) -> None:
    """UnsupportedBatch when nothing can be compressed with it here."""
    _compressor(codec)


def compress(codec: int, body: bytes) -> bytes:
    """UnsupportedBatch where that cannot be had."""
    return _compressor(codec)(body)


def decompress(codec: int, body: bytes | memoryview, raw_length: int) -> bytes:
    """The `raw_length` bytes that were compressed. No more than one byte more is ever made of a body that says it holds them.

    InvalidBatch where it does not; UnsupportedBatch where the codec is unknown or its package is missing.
    """
    decompressor, error = _decompressor(codec)
    try:
        raw = decompressor.decompress(body, raw_length + 1)
    except (error, EOFError) as reason:
        raise InvalidBatch(f"the batch body cannot be decompressed: {reason}") from None
    if len(raw) != raw_length or not decompressor.eof or decompressor.unused_data:
        raise InvalidBatch(f"the batch body does not decompress to the {raw_length} bytes that its header says")
    return raw  # type: ignore[no-any-return]  # bytes from all three


def _compressor(codec: int) -> Callable[[bytes], bytes]:
    if codec == GZIP:
        return lambda body: zlib.compress(body, _GZIP_LEVEL, _GZIP_MEMBER)
    if codec == ZSTD:
        zstd = _zstd()
        return lambda body: zstd.compress(body, _ZSTD_LEVEL)
    lz4 = _lz4(codec)
    return lambda body: lz4.compress(body, compression_level=_LZ4_LEVEL)


def _decompressor(codec: int) -> tuple[Any, type[Exception]]:
    """An object with `decompress(data, most)`, `eof` and `unused_data`, and what it raises for data that it cannot take."""
    if codec == GZIP:
        return zlib.decompressobj(_GZIP_MEMBER), zlib.error
    if codec == ZSTD:
        zstd = _zstd()
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}), zstd.ZstdError
    return _lz4(codec).LZ4FrameDecompressor(), RuntimeError


def _zstd() -> Any:
    """compression.zstd, of Python from 3.14 on, or the package that is the same for those before."""
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd
        except ImportError:
            raise UnsupportedBatch("this Python was built without zstd", "use one that was built with it") from None
        return zstd
    try:
        from backports import zstd
    except ImportError:
        raise UnsupportedBatch("zstd is not installed", "pip install 'streamcli[zstd]'") from None
    return zstd


def _lz4(codec: int) -> Any:
    if codec != LZ4:
        raise UnsupportedBatch(f"codec {codec} is unknown to this streamcli", "upgrade it")
    try:
        import lz4.frame
    except ImportError:
        raise UnsupportedBatch("lz4 is not installed", "pip install 'streamcli[lz4]'") from None
    return lz4.frame

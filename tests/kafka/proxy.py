"""A network between clients and a broker that can be cut: a TCP proxy on loopback, at the port that the broker tells its clients."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_PIECE = 1 << 16


AnyProxy = TypeVar("AnyProxy", bound="Proxy")


class Proxy:
    """Forwards to the port `behind` of loopback. It runs in a thread; every method may be called from any other."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        self._requests, self._replies = asyncio.Event(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def reset(self) -> None:
        """End all connections as a firewall does that has forgotten them; what is underway is lost. New ones are taken."""
        self._call(self._reset)

    def hold(self, *, requests: bool) -> None:
        """Take connections and bytes, and hold back what brokers say, and with `requests` also what they are asked: until `release`.
        Without it requests are done, and nobody hears of it."""
        self._call(self._replies.clear)
        if requests:
            self._call(self._requests.clear)

    def release(self) -> None:
        """Forward again, and what was held back first, where the connection is still there."""
        self._call(self._requests.set)
        self._call(self._replies.set)

    def serve(self, listening: socket.socket) -> None:
        """Until `close`."""
        asyncio.set_event_loop(self._loop)
        self.release()
        with closing(self._loop):
            server = self._loop.run_until_complete(asyncio.start_server(self._connected, sock=listening))
            self._loop.run_forever()
            server.close()
            self._reset()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def close(self) -> None:
        """End it all."""
        self._call(self._loop.stop)

    def _call(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _reset(self) -> None:
        for writer in self._writers:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.transport.abort()
            return
        writers = {writer, requests}
        self._writers |= writers
        pumps = [asyncio.ensure_future(pump) for pump in self._pumps(reader, requests, answers, writer)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._writers -= writers
            for each in writers:
                each.transport.abort()

    def _pumps(
        self,
        reader: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> list[Coroutine[Any, Any, None]]:
        """What forwards requests, and what forwards answers, until the connection ends."""
        return [_pump(reader, requests, self._requests), _pump(answers, writer, self._replies)]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            await is_open.wait()
            writer.write(piece)
            await writer.drain()


@contextmanager
def proxied(address: str, proxy: AnyProxy) -> Iterator[AnyProxy]:
    """The proxy is at `address` for as long as the block lasts."""
    host, _, port = address.partition(":")
    thread = threading.Thread(target=proxy.serve, args=(socket.create_server((host, int(port)), backlog=64),))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()

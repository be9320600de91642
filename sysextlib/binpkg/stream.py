"""A stream of chunks read in exact amounts, and produced in another thread.

Decompressors and hashes release the interpreter's lock, so that the one runs while the other does.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

from sysextlib.binpkg.compression import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sysextlib.binpkg.compression import Slice

WINDOW = 1 << 12  # bytes read at once where most are skipped
DEPTH = 8  # chunks that wait between the two threads


class Stream:
    """Bytes that come in chunks, taken in exact amounts."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = memoryview(b"")
        self._at = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return exactly ``size`` bytes.

        :raises StreamError: there are fewer.
        """
        end = self._at + size
        if end <= len(self._chunk):
            data = bytes(self._chunk[self._at : end])
            self._at = end
            self.position += size
            return data
        pieces: list[bytes] = []
        self.pass_on(size, lambda piece: pieces.append(bytes(piece)))
        return b"".join(pieces)

    def pass_on(self, size: int, receive: Callable[[memoryview], object]) -> None:
        """Hand exactly ``size`` bytes to ``receive`` in pieces.

        :raises StreamError: there are fewer.
        """
        self.position += size
        while size:
            if self._at == len(self._chunk) and not self._more():
                raise StreamError("ends early")
            piece = self._chunk[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            receive(piece)

    def skip(self, size: int) -> None:
        """Go over exactly ``size`` bytes."""
        self.pass_on(size, lambda _: None)

    def rest(self) -> Iterator[memoryview]:
        """Yield what is left."""
        while self._at < len(self._chunk) or self._more():
            piece = self._chunk[self._at :]
            self._at = len(self._chunk)
            self.position += len(piece)
            yield piece

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._chunk, self._at = memoryview(chunk), 0
                return True
        return False


class SeekingStream(Stream):
    """A slice of a file whose skipped bytes are never read."""

    def __init__(self, source: Slice) -> None:
        super().__init__(self._read())
        self._source = source
        self._next = 0

    def skip(self, size: int) -> None:
        """Go over exactly ``size`` bytes."""
        if self.position + size > self._source.size:
            raise StreamError("ends early")
        self.position += size
        held = min(size, len(self._chunk) - self._at)
        self._at += held
        self._next += size - held

    def _read(self) -> Iterator[bytes]:
        while data := self._source.at(self._next, WINDOW):
            self._next += len(data)
            yield data


def bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield the chunks, and refuse a stream that is longer than ``most`` bytes.

    :raises StreamError: it is.
    """
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > most:
            raise StreamError(f"unpacks to more than the allowed {most} bytes")
        yield chunk


@contextlib.contextmanager
def ahead(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Run an iterator in a thread of its own, a few chunks ahead of the reader.

    What it raises reaches the reader in its place. Leaving the block ends the thread.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(DEPTH)
    stop = threading.Event()

    def produce() -> None:
        end: BaseException | None = None
        try:
            for chunk in chunks:
                if stop.is_set():
                    return
                waiting.put(chunk)
        except BaseException as error:
            end = error
        waiting.put(end)

    def consume() -> Iterator[bytes]:
        while isinstance(item := waiting.get(), bytes):
            yield item
        if item is not None:
            raise item

    thread = threading.Thread(target=produce, name="decompress", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stop.set()
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                waiting.get(timeout=0.01)
        thread.join()

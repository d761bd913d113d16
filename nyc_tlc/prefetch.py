"""Let a producer run ahead of its consumer by a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Yield ``items`` in order, produced by a thread of their own, ``depth`` ahead at most.

    Decoding, encoding and the server's work release the interpreter lock, so a stage on its own
    thread overlaps with the others. An error of the producer is raised here. Closing this
    generator stops the producer.
    """
    ready: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over and raised by the consumer
            put((None, error))
        else:
            put(_END)

    producer = threading.Thread(target=produce, name="prefetch", daemon=True)
    producer.start()
    try:
        while (entry := ready.get()) is not _END:
            item, error = entry  # type: ignore[misc]
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        producer.join()

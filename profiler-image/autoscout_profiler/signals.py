"""Signals that are noticed at once, whatever the main thread waits for.

Python runs a signal's handler in the main thread, between two of its steps. A signal that comes right before the
thread starts to wait interrupts nothing: its handler runs when the wait is over, if ever. What the interpreter writes
to the wakeup file descriptor can't be missed (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def relayed(numbers: Iterable[int], handle: Callable[[int], object]) -> Iterator[None]:
    """Have each of these signals handled in a thread of its own inside a `with`, which the main thread enters.

    Args:
        numbers: which signals.
        handle: is called with the number of each one that comes, one after another.
    """
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    wanted = frozenset(numbers)

    def relay() -> None:
        while received := receiving.recv(1):
            if received[0] in wanted:
                handle(received[0])

    thread = threading.Thread(target=relay, name="autoscout-signals", daemon=True)
    thread.start()
    woken = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    # Only signals with a handler in Python are written there.
    handlers = {number: signal.signal(number, lambda *_: None) for number in wanted}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        sending.close()
        thread.join()
        receiving.close()

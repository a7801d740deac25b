"""A signal is noticed whatever the main thread does."""

from __future__ import annotations

import os
import signal
import threading

from autoscout_profiler.signals import relayed


def test_it_is_handled_in_another_thread_in_order_and_no_other_signal_is() -> None:
    seen: list[tuple[int, bool]] = []
    both = threading.Semaphore(0)

    def handle(number: int) -> None:
        seen.append((number, threading.current_thread() is threading.main_thread()))
        both.release()

    with relayed((signal.SIGUSR1, signal.SIGUSR2), handle):
        for number in (signal.SIGUSR2, signal.SIGUSR1):
            os.kill(os.getpid(), number)
            both.acquire()
    assert seen == [(signal.SIGUSR2, False), (signal.SIGUSR1, False)]


def test_afterwards_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    threads = threading.active_count()
    with relayed((signal.SIGUSR1,), print):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads

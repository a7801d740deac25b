"""What the process of a framework uses: its reporter, errors as records, and an early stop that keeps the samples.

    from autoscout_profiler.runner import child

    def measure(reporter: child.RankReporter) -> None:
        samples: list[float] = []
        reporter.when_stopped(lambda: len(samples) >= 3 and reporter.result(...))
        ...

    if __name__ == "__main__":
        child.run(measure)

Every rank runs the same code: what ranks other than 0 report goes nowhere. A process that is started without the
supervisor, by torchrun or by hand, reports to its standard output.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, TextIO

from autoscout_profiler.reporter import TERMINATION_VARIABLE, Reporter
from autoscout_profiler.runner.failures import of_exception
from autoscout_profiler.runner.launch import Hardware, Trial

RANK_VARIABLE = "AUTOSCOUT_RANK"
ERROR_PATH_VARIABLE = "AUTOSCOUT_RANK_ERROR_PATH"
STACK_PATH_VARIABLE = "AUTOSCOUT_RANK_STACK_PATH"
FRAMES_VARIABLE = "AUTOSCOUT_FRAMES_FD"
CONTROL_VARIABLE = "AUTOSCOUT_CONTROL_FD"
STARTED_VARIABLE = "AUTOSCOUT_STARTED_AT"
STOP = b"stop"
"""What the supervisor writes for an early stop. The end of the stream means that the supervisor is gone."""

_SECONDS_TO_END = 10.0


class RankReporter(Reporter):
    """The reporter of one process of a trial.

    Attributes:
        rank: among all processes of the trial.
        local_rank: among those of this machine.
        world_size: all ranks.
        leads: only what this process reports goes anywhere.
        hardware: what the trial runs on.
        stopping: set once an early stop began.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read what the supervisor, or torchrun, set.

        Raises:
            ValueError: `AUTOSCOUT_TRIAL` is set, but not as AutoScout sets it.
        """
        self.rank = int(environment.get(RANK_VARIABLE) or environment.get("RANK") or 0)
        self.local_rank = int(environment.get("LOCAL_RANK") or 0)
        self.world_size = int(environment.get("WORLD_SIZE") or 1)
        self.leads = self.rank == 0
        silent = {} if self.leads else {TERMINATION_VARIABLE: os.devnull}
        super().__init__({**environment, **silent}, stream=_frames(environment, leads=self.leads))
        self.hardware: Hardware = Trial.parse(environment.get("AUTOSCOUT_TRIAL") or "{}").hardware
        self.stopping = threading.Event()
        self._started = float(environment.get(STARTED_VARIABLE) or time.time())
        self._last_words: Callable[[], object] | None = None

    def seconds_since_start(self) -> float:
        """Seconds since the supervisor was started: what a first iteration had to wait for."""
        return time.time() - self._started

    def when_stopped(self, last_words: Callable[[], object]) -> None:
        """What to do when the trial is stopped early: report a result, if there are samples enough.

        It is called once, in a thread of its own, while the main thread may wait in a collective; the process ends
        right after it.
        """
        self._last_words = last_words

    def stop(self) -> NoReturn:
        """End this process, with its last words."""
        self.stopping.set()
        try:
            if self._last_words is not None and self.leads:
                self._last_words()
        except Exception:  # noqa: BLE001 - nothing may keep a process from ending
            traceback.print_exc()
        _end(0)


def run(main: Callable[[RankReporter], object]) -> NoReturn:
    """Run the measurement of this process and end: with 0, or with 1 and a record of the failure.

    The process ends without the interpreter's own clean-up: destructors of broken process groups may wait for ever,
    and there is nothing to clean up that a container's end doesn't.
    """
    path = os.environ.get(ERROR_PATH_VARIABLE)
    rank = int(os.environ.get(RANK_VARIABLE) or os.environ.get("RANK") or 0)
    reporter: RankReporter | None = None
    _dump_stack_on_request()
    try:
        reporter = RankReporter()
        _obey(reporter)
        main(reporter)
    except BaseException as error:  # noqa: BLE001 - whatever ends this process must be told
        if isinstance(error, SystemExit) and not error.code:
            _end(0)
        if reporter is not None and reporter.stopping.is_set():
            # The other ranks are gone already: that says nothing. The thread that stops us ends the process.
            time.sleep(_SECONDS_TO_END)
        traceback.print_exc()
        failure = of_exception(error, rank=rank, at=time.time())
        if path:
            failure.write(Path(path))
        elif reporter is not None:
            reporter.error(failure.reason, failure.message)
        _end(1)
    _end(0)


def _frames(environment: Mapping[str, str], *, leads: bool) -> TextIO | None:
    """Where frames go; None: to standard output."""
    if not leads:
        return Path(os.devnull).open("w")
    descriptor = environment.get(FRAMES_VARIABLE)
    if not descriptor:
        return None
    os.set_inheritable(int(descriptor), False)
    return os.fdopen(int(descriptor), "w")


def _obey(reporter: RankReporter) -> None:
    """Listen to the supervisor, in the background."""
    descriptor = os.environ.get(CONTROL_VARIABLE)
    if not descriptor:
        return
    os.set_inheritable(int(descriptor), False)

    def listen() -> None:
        if os.read(int(descriptor), len(STOP)) == STOP:
            reporter.stop()
        _end(1)  # nobody is left to report to

    threading.Thread(target=listen, name="autoscout-control", daemon=True).start()


def _dump_stack_on_request() -> None:
    path = os.environ.get(STACK_PATH_VARIABLE)
    if path:
        # faulthandler writes to the descriptor for as long as the process lives.
        faulthandler.register(signal.SIGUSR1, Path(path).open("w"), all_threads=False)  # noqa: SIM115


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)

"""What an ended attempt means: from its exit code and its frames to an outcome. Pure, the same for every executor.

Whatever the platform itself knows better (killed for memory, evicted, deadline) an executor decides before it asks
here. Then, in this order:

1. The last result or error frame is the program's last word. A result is the measurement: a crash, a hang or a kill
   after it does not undo what was measured.
2. An error frame makes the configuration infeasible, with its own reason; unless the reason says that the
   infrastructure failed (`INFRASTRUCTURE`): then this attempt is lost and another one may follow.
3. Without either the exit code decides: 0 is `NoResult`, 143 (SIGTERM, from outside) is lost, 128 + n is `Killed`,
   anything else is `NonZeroExit`.
"""

from __future__ import annotations

from statistics import median

from autoscout.search.ledger import CANNOT_WIN
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout_profiler.frames import Error, Result, shorten
from autoscout_profiler.programs import signal_name
from autoscout_profiler.scanner import Scanner

INFRASTRUCTURE = frozenset({"Infrastructure", "Preempted", "PeerLost"})
"""Reasons of error frames that blame the platform, not the configuration."""

_MESSAGE_LIMIT = 1000


def judge(exit_code: int, scanner: Scanner) -> Outcome:
    """The outcome of an attempt whose process ended by itself or by a signal that the executor did not send.

    Args:
        exit_code: 0 to 255, in the convention of shells and Kubernetes: 128 + n for signal n.
        scanner: has read the whole log and the termination message.
    """
    return last_word(scanner) or _from_exit_code(exit_code, scanner.tail)


def last_word(scanner: Scanner) -> Outcome | None:
    """What the program itself reported, or None if it reported nothing."""
    if scanner.last_word is None:
        return None
    match scanner.last_word.body:
        case Result(metrics, samples):
            return Measured(dict(metrics), dict(samples))
        case Error(reason, message) if reason in INFRASTRUCTURE:
            return Lost(reason, shorten(message, _MESSAGE_LIMIT))
        case Error(reason, message):
            return Infeasible(reason, shorten(message, _MESSAGE_LIMIT))
        case _:
            return None


def measured(scanner: Scanner) -> Measured | None:
    """The measurement, if the program's last word is one: it outweighs that the attempt was stopped afterwards."""
    outcome = last_word(scanner)
    return outcome if isinstance(outcome, Measured) else None


def so_far(scanner: Scanner) -> Outcome:
    """The outcome of an attempt that we stopped early, and that answered with no result.

    Its progress frames have to do: the median of what they showed of each metric, with every one as a sample. An error
    frame does not count: the signal may have caused it.
    """
    samples: dict[str, tuple[float, ...]] = {}
    for report in scanner.reports:
        for metric, value in report.items():
            samples[metric] = (*samples.get(metric, ()), value)
    if not samples:
        return Lost(CANNOT_WIN, "stopped early, and nothing that it had reported can be read")
    return Measured({metric: median(values) for metric, values in samples.items()}, samples)


def deadline_exceeded(timeout: float, scanner: Scanner) -> Outcome:
    """The outcome of an attempt that the executor stopped `timeout` seconds after its start."""
    message = _with_tail(
        f"no result within {timeout:g} s; if it only needs longer, raise profile.timeout", scanner.tail
    )
    return last_word(scanner) or Infeasible("DeadlineExceeded", message)


def _from_exit_code(exit_code: int, tail: str) -> Outcome:
    if exit_code == 0:
        return Infeasible(
            "NoResult",
            _with_tail(
                "exited with code 0 but wrote no result frame: report through autoscout_profiler.Reporter, or start "
                "the program with `python -m autoscout_profiler wrap --metric NAME=REGEX -- COMMAND`",
                tail,
            ),
        )
    name = signal_name(exit_code)
    if name == "SIGTERM":
        return Lost("Terminated", _with_tail("ended by SIGTERM, which something outside AutoScout sent", tail))
    if name == "SIGKILL":
        return Infeasible("Killed", _with_tail("killed by SIGKILL: most likely it ran out of memory", tail))
    if name:
        return Infeasible("Killed", _with_tail(f"killed by {name}", tail))
    return Infeasible("NonZeroExit", _with_tail(f"exited with code {exit_code}", tail))


def _with_tail(text: str, tail: str) -> str:
    return f"{text}; last output: {shorten(tail, _MESSAGE_LIMIT - len(text))}" if tail else text

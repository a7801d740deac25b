"""How a search goes, on the terminal: a live panel for people, plain lines for logs, nothing at all with --quiet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoscout.cli.loop import Snapshot, Task, Watcher
from autoscout.executors.protocol import Observation, Running, Waiting
from autoscout.report.text import shown
from autoscout.report.words import duration, number, times
from autoscout.search.incumbent import default_entry, feasible_metrics, incumbent, speedup
from autoscout.search.ledger import Attempt, Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.problem import Problem
from autoscout.space.values import Value

RECENT = 6
"""Outcomes that the live panel keeps in sight."""
RUNNING = 8
"""Attempts in flight that the live panel names."""
ETA_FROM = 3
"""Profiles from which the time that is left can be guessed."""


class Display(Watcher, Protocol):
    """A watcher that takes over the terminal meanwhile."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def display(console: Console, *, quiet: bool) -> Display:
    """The display that suits this terminal."""
    if quiet:
        return Quiet()
    return Panel(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def started(self, trial: Trial, attempt: int) -> None: ...

    def ended(self, task: Task, entry: Entry, ledger: Ledger) -> None: ...

    def look(self, snapshot: Snapshot) -> None: ...


class Lines(Quiet):
    """One line an event, with the time of day: for pipes, CI and dumb terminals."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def started(self, trial: Trial, attempt: int) -> None:
        again = f", attempt {attempt + 1}" if attempt else ""
        self._line(f"trial {trial.number} starts{again} ({trial.proposer}): {settings(trial.configuration)}")

    def ended(self, task: Task, entry: Entry, ledger: Ledger) -> None:
        done = f"{ledger.profiled}/{task.budget.max_profiles} profiles"
        self._line(f"trial {entry.trial.number} {told(task.problem, entry)}; {done}, {standing(task.problem, ledger)}")

    def _line(self, text: str) -> None:
        self._console.out(f"{time.strftime('%H:%M:%S')} {text}", highlight=False)


class Panel(Quiet):
    """A panel at the bottom of the terminal, redrawn at every turn."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._recent: deque[Text] = deque(maxlen=RECENT)
        self._configurations: dict[int, Mapping[str, Value]] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, trial: Trial, attempt: int) -> None:  # noqa: ARG002 - the panel shows what runs anyway
        self._configurations[trial.number] = trial.configuration

    def ended(self, task: Task, entry: Entry, ledger: Ledger) -> None:
        best = incumbent(task.problem, ledger)
        line = Text(f"trial {entry.trial.number:<4} {told(task.problem, entry)}", overflow="ellipsis", no_wrap=True)
        if isinstance(entry.outcome, Infeasible):
            line.stylize("red")
        elif isinstance(entry.outcome, Lost) or entry.outcome is None:
            line.stylize("yellow")
        elif best is not None and best.trial.number == entry.trial.number:
            line.append("  best so far", style="bold green")
        self._recent.append(line)

    def look(self, snapshot: Snapshot) -> None:
        self._live.update(self.drawn(snapshot), refresh=True)

    def drawn(self, snapshot: Snapshot) -> RenderableType:
        """The panel as it stands."""
        task, ledger = snapshot.task, snapshot.ledger
        head = Table.grid(padding=(0, 2))
        head.add_column(style="dim")
        head.add_column(overflow="fold")
        bar = ProgressBar(total=task.budget.max_profiles, completed=ledger.profiled, width=30)
        counted = Table.grid(padding=(0, 1))
        counted.add_row(bar, f"{ledger.profiled} of {task.budget.max_profiles}", Text(_counts(ledger), style="dim"))
        head.add_row("profiles", counted)
        head.add_row("best so far", Text(standing(task.problem, ledger), style="bold"))
        head.add_row("time", _times(snapshot))
        shown_now = list(snapshot.observations)[:RUNNING]
        for index, each in enumerate(shown_now):
            configuration = self._configurations.get(each.id.number) or _configuration(ledger, each.id.number)
            head.add_row("running" if index == 0 else "", _running(each, snapshot.now, configuration))
        if len(snapshot.observations) > RUNNING:
            head.add_row("", f"and {len(snapshot.observations) - RUNNING} more")
        title = Text.assemble((task.name, "bold"), ("  " + snapshot.verdict.message, "dim"))
        return Group(title, head, *self._recent)


def told(problem: Problem, entry: Entry) -> str:
    """What became of the last attempt of an entry, in a few words."""
    outcome = entry.outcome
    if outcome is None:
        last = entry.attempts[-1]
        return f"attempt {len(entry.attempts)} lost ({_why(last)})"
    if isinstance(outcome, Measured):
        metric = problem.objectives[0].metric
        value = outcome.metrics.get(metric)
        remark = "" if feasible_metrics(problem, entry) is not None else " (breaks a constraint)"
        return f"{metric} {number(value)}{remark}" if value is not None else f"reports no {metric}"
    word = "infeasible" if isinstance(outcome, Infeasible) else "lost"
    return f"{word} ({_why(outcome)})"


def standing(problem: Problem, ledger: Ledger) -> str:
    """The best so far against the default: `0.0123 in trial 7, 1.87x better than the default 0.023`."""
    metric = problem.objectives[0].metric
    best, base = incumbent(problem, ledger), default_entry(ledger)
    if best is None or not isinstance(best.outcome, Measured):
        return "nothing feasible yet"
    text = f"{metric} {number(best.outcome.metrics[metric])} in trial {best.trial.number}"
    if base is None or not isinstance(base.outcome, Measured) or best.trial.number == base.trial.number:
        return text + (" (the default)" if best.trial.number == 0 else "")
    before = number(base.outcome.metrics.get(metric))
    return f"{text}, {times(speedup(problem, ledger))} better than the default {before}"


def settings(configuration: Mapping[str, Value]) -> str:
    """`threads=2 layout=bhsd`."""
    return " ".join(f"{name}={shown(value)}" for name, value in configuration.items())


def remaining_seconds(snapshot: Snapshot) -> float | None:
    """A guess at the time that is left: as long a profile as before; None while there are too few to tell."""
    budget, done = snapshot.task.budget, snapshot.ledger.profiled
    if done < ETA_FROM:
        return None
    left = snapshot.elapsed / done * max(0, budget.max_profiles - done)
    return left if budget.max_seconds is None else max(0.0, min(left, budget.max_seconds - snapshot.elapsed))


def _counts(ledger: Ledger) -> str:
    return f"({ledger.infeasible} infeasible, {ledger.lost} lost)"


def _times(snapshot: Snapshot) -> str:
    left = remaining_seconds(snapshot)
    text = duration(snapshot.elapsed)
    return text if left is None else f"{text}, about {duration(left)} left"


def _running(each: Observation, now: float, configuration: Mapping[str, Value]) -> Text:
    state = each.state
    text = Text(f"trial {each.id.number}  ", overflow="ellipsis", no_wrap=True)
    if isinstance(state, Waiting):
        text.append(f"waits: {state.reason} ({_one_line(state.message)})  ", style="yellow")
    elif isinstance(state, Running):
        text.append(f"{duration(max(0.0, now - state.since))}{_iterations(state)}  ", style="cyan")
    return text.append(settings(configuration))  # last: on a narrow terminal its end is cut off


def _iterations(state: Running) -> str:
    iteration, iterations = state.progress.get("iteration"), state.progress.get("iterations")
    if not isinstance(iteration, int):
        return ""
    return f", iteration {iteration}" + (f" of {iterations}" if isinstance(iterations, int) and iterations else "")


def _configuration(ledger: Ledger, wanted: int) -> Mapping[str, Value]:
    return next((entry.trial.configuration for entry in ledger.entries if entry.trial.number == wanted), {})


def _why(ended: Attempt | Infeasible | Lost) -> str:
    return f"{ended.reason}: {_one_line(ended.message)}" if ended.message else ended.reason


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:97] + "..."

"""What a benchmark found: `results.json`, and the table of medians."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autoscout.report.words import DASH, number
from autoscout.search.benchmark import RATIOS, Run


@dataclass(frozen=True)
class Results:
    """All runs on one landscape, in the order of the algorithms and seeds asked for."""

    landscape: str
    metric: str
    optimum: float | None
    budget: int
    runs: tuple[Run, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The names, each once, in order."""
        return tuple(dict.fromkeys(run.algorithm for run in self.runs))

    def of(self, algorithm: str) -> tuple[Run, ...]:
        """The runs of one algorithm."""
        return tuple(run for run in self.runs if run.algorithm == algorithm)


def json_text(results: Results) -> str:
    """`results.json`: one run a line, so that it can be read and compared."""
    head = {"landscape": results.landscape, "optimum": results.optimum, "budget": results.budget}
    runs = ",\n  ".join(json.dumps(_run(run), allow_nan=False) for run in results.runs)
    return json.dumps(head, allow_nan=False)[:-1] + f', "runs": [\n  {runs}\n]}}\n'


def _run(run: Run) -> dict[str, object]:
    return {
        "algorithm": run.algorithm,
        "seed": run.seed,
        "best": list(run.best),
        "profilesTo": {ratio: run.profiles_to[ratio] for ratio in RATIOS},
        "simulated": run.simulated,
        "optimizerSeconds": round(run.optimizer_seconds, 6),
    }


def text(results: Results) -> str:
    """The medians side by side, ended by a line feed.

    A run that does not come near enough within the budget counts as infinitely long, so a median is a dash
    where half of the seeds or more fail.
    """
    share = f"seeds within {_percent(RATIOS[-1])}"
    rows = [("algorithm", *(f"to {_percent(ratio)}" for ratio in RATIOS), share, "final best", "ms a proposal")]
    for algorithm in results.algorithms:
        runs = results.of(algorithm)
        reached = sum(run.profiles_to[RATIOS[-1]] is not None for run in runs)
        rows.append(
            (
                algorithm,
                *(_spread([run.profiles_to[ratio] for run in runs]) for ratio in RATIOS),
                f"{reached}/{len(runs)}",
                number(_final(runs)),
                number(1000 * statistics.median(run.optimizer_seconds / max(1, len(run.best)) for run in runs)),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    head = (
        f"{results.landscape}: {results.metric}, optimum {number(results.optimum)}, budget {results.budget} profiles; "
        "profiles needed, median [quartiles]"
    )
    return "\n".join([head, *lines]) + "\n"


def median(counts: Sequence[int | None]) -> float | None:
    """The median, None counting as infinite; None where that is the median."""
    return quantile(counts, 0.5)


def quantile(counts: Sequence[float | None], share: float) -> float | None:
    """Linear interpolation between neighbours, None counting as infinite; None where the result is."""
    values = sorted(math.inf if value is None else float(value) for value in counts)
    place = share * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    if math.isinf(high):
        return None if math.isinf(low) or place != math.floor(place) else low
    return low + (high - low) * (place - math.floor(place))


def _spread(counts: Sequence[int | None]) -> str:
    middle = median(counts)
    if middle is None:
        return DASH
    quartiles = "-".join(
        DASH if each is None else f"{each:g}" for each in (quantile(counts, 0.25), quantile(counts, 0.75))
    )
    return f"{middle:g} [{quartiles}]"


def _final(runs: Sequence[Run]) -> float | None:
    values = [run.best[-1] for run in runs if run.best and run.best[-1] is not None]
    return statistics.median(values) if values else None


def _percent(ratio: str) -> str:
    return f"{(float(ratio) - 1) * 100:.0f}%"

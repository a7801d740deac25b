"""`autoscout plan`: the simulators' recommendation, without a GPU."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from autoscout.api.check import problems
from autoscout.api.tuning_job import TuningJob
from autoscout.cli.advice import Advice, Adviser, Expected
from autoscout.cli.files import UnwritableError, write
from autoscout.cli.plan_page import page
from autoscout.cli.predict import PredictError, problem_in, simulator_of
from autoscout.launch.launch import Launch, launch
from autoscout.launch.program import LaunchError
from autoscout.report.words import number, times
from autoscout.search.problem import MetricConstraint, Problem
from autoscout.space.configuration import Configuration
from autoscout.space.parameter import SpaceError
from autoscout.space.values import render as written

OK, UNLIKELY, REFUSED = 0, 1, 2
_LIKELY = 0.5
_RISKIER = 0.95
"""Share of the recommendation's probability below which another value is called riskier."""


def plan(
    file: Path, json_to: Path | None, html_to: Path | None, runners_up: int, console: Console, errors: Console
) -> int:
    """Run the whole command; the exit code."""
    try:
        job, problem = _sound(file)
        problem = with_arrivals(job, problem)
        simulator = simulator_of(problem, file)
        advice = Adviser(problem, simulator).advise(runners_up)
        found = launched(job, advice.recommended.configuration)
        if json_to is not None:
            write(json_to, json.dumps(document(job, problem, advice, found), indent=2) + "\n")
        if html_to is not None:
            command = found.command if isinstance(found, Launch) else f"none: {found}"
            write(html_to, page(job.metadata.name, problem, advice, command))
    except KeyError as error:
        known = "the simulators of this workload predict other metrics; autoscout tune measures it"
        errors.print(
            f"error: {file}: objective {error.args[0]}: {known}", markup=False, highlight=False, soft_wrap=True
        )
        return REFUSED
    except (PredictError, SpaceError, UnwritableError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    if "-" not in (str(json_to), str(html_to)):
        for line in lines(problem, advice, found):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return OK if advice.recommended.feasible >= _LIKELY else UNLIKELY


def _sound(file: Path) -> tuple[TuningJob, Problem]:
    job, problem = problem_in(file)
    if wrong := problems(job):
        raise PredictError(f"{file}: {'; '.join(map(str, wrong))}")
    return job, problem


def with_arrivals(job: TuningJob, problem: Problem) -> Problem:
    """The problem with one more bound where requests arrive at a rate of their own: the engine has to keep up.

    The simulators know closed-loop load only, which waits for its answers. A configuration that is slower than its
    arrivals has fine latencies there, and an endless queue in truth.
    """
    load, answer = job.spec.workload.load, job.spec.workload.output_tokens
    if load is None or load.requests_per_second is None or answer is None:
        return problem
    bound = MetricConstraint("tokens_per_second", minimum=load.requests_per_second.number * answer)
    return replace(problem, constraints=(*problem.constraints, bound))


def launched(job: TuningJob, configuration: Configuration) -> Launch | LaunchError:
    """What a person would run, or why there is nothing."""
    try:
        return launch(job, configuration)
    except LaunchError as error:
        return error


def document(job: TuningJob, problem: Problem, advice: Advice, found: Launch | LaunchError) -> dict[str, Any]:
    """The recommendation as JSON."""
    return {
        "job": job.metadata.name,
        "objective": problem.objectives[0].metric,
        "configurations": advice.size,
        "predicted": advice.considered,
        "recommended": _expected(advice.recommended),
        "default": _expected(advice.default),
        "gain": advice.gain,
        "notPredicted": advice.unpredicted(problem),
        "command": found.command if isinstance(found, Launch) else None,
        "launch": {"script": found.script, "manifest": found.manifest} if isinstance(found, Launch) else None,
        "runnersUp": [_expected(each) for each in advice.runners_up],
        "importance": [
            {
                "parameter": each.parameter,
                "chosen": each.chosen,
                "share": round(each.share, 6),
                "alternative": each.alternative,
                "change": each.change,
                "feasible": each.feasible,
            }
            for each in advice.influences
        ],
    }


def _expected(expected: Expected) -> Mapping[str, Any]:
    memory = expected.peak_memory_gib
    return {
        "configuration": dict(expected.configuration),
        "metrics": {
            metric: {"mean": mean, "low": low, "high": high} for metric, (low, mean, high) in expected.metrics.items()
        },
        "feasible": expected.feasible,
        "peakMemoryGib": memory if math.isfinite(memory) else None,
    }


def lines(problem: Problem, advice: Advice, found: Launch | LaunchError) -> Iterator[str]:
    """The recommendation as text."""
    best = advice.recommended
    how = "all" if advice.considered >= advice.size else f"{advice.considered:,}"
    yield f"Simulated {how} of {advice.size:,} configurations; nothing was measured."
    if best.feasible < _LIKELY:
        yield "Nothing is expected to run and keep the constraints. The least unlikely one:"
    yield ""
    yield "Recommended"
    yield f"  {_short(best.configuration)}"
    for metric, (low, mean, high) in best.metrics.items():
        yield f"  {metric}: {number(mean)}  (90 %: {number(low)} to {number(high)})"
    if math.isfinite(best.peak_memory_gib):
        yield f"  peak memory: {number(best.peak_memory_gib)} GiB"
    yield f"  probability that it runs and keeps the constraints: {best.feasible:.0%}"
    if unknown := advice.unpredicted(problem):
        yield f"  not predicted, so not in this probability: {', '.join(unknown)}"
    yield f"  against the defaults: {_gain(problem, advice)}"
    yield ""
    yield "Launch command"
    yield f"  {found.command}" if isinstance(found, Launch) else f"  none: {found}"
    if advice.runners_up:
        yield ""
        yield "Runners-up"
        metric = problem.objectives[0].metric
        for each in advice.runners_up:
            low, mean, high = each.metrics[metric]
            span = f"{number(mean)} ({number(low)} to {number(high)})"
            yield f"  {span}, {each.feasible:.0%}: {_short(each.configuration)}"
    yield ""
    yield "Why: what each parameter explains of the objective's variance, and what its best other value would change"
    for influence in advice.influences:
        chosen = "inactive" if influence.chosen is None else written(influence.chosen)
        other = "no other value is possible"
        if influence.alternative is not None and influence.change is not None and influence.feasible is not None:
            riskier = influence.feasible < _RISKIER * best.feasible
            risk = f", but {influence.feasible:.0%} likely to run" if riskier else ""
            other = f"{written(influence.alternative)}: {influence.change:+.1%}{risk}"
        yield f"  {influence.share:6.1%}  {influence.parameter}={chosen}  ({other})"


def _gain(problem: Problem, advice: Advice) -> str:
    """How the recommendation compares with what an expert would start from."""
    default = advice.default
    if advice.recommended.configuration == default.configuration:
        return "it is the default configuration"
    value = number(default.metrics[problem.objectives[0].metric][1])
    risk = "" if default.feasible >= _LIKELY else f", which are only {default.feasible:.0%} likely to run"
    return f"{times(advice.gain)} better than their {value}{risk}"


def _short(configuration: Configuration) -> str:
    return " ".join(f"{name}={written(value)}" for name, value in configuration.items())

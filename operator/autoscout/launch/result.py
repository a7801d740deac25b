"""A result with what realises it."""

from __future__ import annotations

from autoscout import __version__
from autoscout.api.frameworks import is_built_in
from autoscout.api.tuning_job import TuningJob
from autoscout.launch.launch import Launch, launch, launch_line
from autoscout.launch.program import LaunchError
from autoscout.report.result import Result, result
from autoscout.search.incumbent import default_entry, incumbent
from autoscout.search.ledger import Entry, Ledger
from autoscout.search.plan import Verdict
from autoscout.search.problem import Problem

_NONE = Launch("", "", "")


def launched_result(job: TuningJob, problem: Problem, ledger: Ledger, *, verdict: Verdict, seconds: float) -> Result:
    """What the ledger of this job says.

    Args:
        verdict: how the search ended, or stands.
        seconds: wall time of the search, pauses excluded.
    """
    best = incumbent(problem, ledger)
    found = _launch(job, best)
    return result(
        problem,
        ledger,
        name=job.metadata.name,
        verdict=verdict,
        engine_version=__version__,
        seconds=seconds,
        commands={each.trial.number: launch_line(job, each.trial.configuration) for each in _shown(job, ledger, best)},
        script=found.script,
        manifest=found.manifest,
    )


def _launch(job: TuningJob, best: Entry | None) -> Launch:
    try:
        return launch(job, best.trial.configuration) if best else _NONE
    except LaunchError:
        return _NONE


def _shown(job: TuningJob, ledger: Ledger, best: Entry | None) -> list[Entry]:
    """The trials whose command is shown: a framework's is long, and a ConfigMap must hold those of all trials."""
    if not is_built_in(job):
        return list(ledger.entries)
    return [entry for entry in (default_entry(ledger), best) if entry is not None]

"""The lines of a ledger file, and how they fold into a ledger. Pure; `ledger_file` writes and reads them.

Each line is one JSON object and one commit. The first is the header, with the TuningJob as it was given. After it:

- `{"trial": {...}, "elapsed": s}`: a decision to measure, before anything runs;
- `{"entry": {number, attempt, outcome, position}, "elapsed": s}`: an attempt of it ended (`attempt`), the trial is
  settled (`outcome`, `position`), or both;
- `{"verdict": {phase, reason, message}, "elapsed": s}`: the search ended here, or was interrupted.

`elapsed` is the wall time of the search up to this line in seconds, pauses between runs excluded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from autoscout.search.ledger import Attempt, Entry, Ledger, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured, Outcome
from autoscout.search.plan import Phase, Verdict
from autoscout.space.configuration import Configuration

FORMAT = 1


class LineError(ValueError):
    """A line that is no commit of this format; the message says what is wrong with it."""


@dataclass(frozen=True)
class Header:
    """The first line.

    Attributes:
        engine_version: of the engine that began the search.
        spec_hash: SHA-256 of what defines the search, see `ledger_file.spec_hash`.
        job: the TuningJob's manifest as it was when the search began.
    """

    engine_version: str
    seed: int
    spec_hash: str
    job: Mapping[str, Any]


@dataclass(frozen=True)
class Folded:
    """What the lines of a ledger file say together.

    Attributes:
        elapsed: wall time of the search so far in seconds.
        verdict: of the last run, None if it was cut off.
    """

    ledger: Ledger
    elapsed: float = 0.0
    verdict: Verdict | None = None


def header_line(header: Header) -> dict[str, Any]:
    return {
        "autoscoutLedger": FORMAT,
        "engineVersion": header.engine_version,
        "seed": header.seed,
        "specHash": header.spec_hash,
        "job": header.job,
    }


def header_of(line: Mapping[str, Any]) -> Header:
    """The inverse of `header_line`.

    Raises:
        LineError: the file is something else, or of a newer format.
    """
    found = line.get("autoscoutLedger")
    if found != FORMAT:
        raise LineError("is no ledger" if found is None else f"has format {found}, and this version reads {FORMAT}")
    try:
        return Header(line["engineVersion"], line["seed"], line["specHash"], line["job"])
    except KeyError as error:
        raise LineError(f"lacks {error}") from error


def trial_line(trial: Trial, elapsed: float) -> dict[str, Any]:
    return {
        "trial": {
            "number": trial.number,
            "fingerprint": trial.configuration.fingerprint,
            "configuration": dict(trial.configuration),
            "proposer": trial.proposer,
            "predicted": dict(trial.predicted),
            "reason": trial.reason,
            "decidedAfter": trial.decided_after,
        },
        "elapsed": round(elapsed, 3),
    }


def entry_line(before: Entry, after: Entry, elapsed: float) -> dict[str, Any]:
    """What `after` adds to `before`: at most one ended attempt, and the outcome if there is one now."""
    added = after.attempts[len(before.attempts) :]
    return {
        "entry": {
            "number": after.trial.number,
            "attempt": _attempt_json(added[0]) if added else None,
            "outcome": None if after.outcome is None else _outcome_json(after.outcome),
            "position": after.position,
        },
        "elapsed": round(elapsed, 3),
    }


def verdict_line(verdict: Verdict, elapsed: float) -> dict[str, Any]:
    return {
        "verdict": {"phase": str(verdict.phase), "reason": verdict.reason, "message": verdict.message},
        "elapsed": round(elapsed, 3),
    }


def fold(folded: Folded, lines: Iterable[Mapping[str, Any]]) -> Folded:
    """The state after some more lines.

    Raises:
        LineError: a line is none of ours or contradicts what came before; it begins with the number of the line,
            counted from 1.
    """
    entries = {entry.trial.number: entry for entry in folded.ledger.entries}
    elapsed, verdict = folded.elapsed, folded.verdict
    for count, line in enumerate(lines, 1):
        verdict = None
        try:
            if "trial" in line:
                entry = _new(line["trial"], entries)
                entries[entry.trial.number] = entry
            elif "entry" in line:
                entry = _changed(line["entry"], entries)
                entries[entry.trial.number] = entry
            else:
                found = line["verdict"]
                verdict = Verdict(Phase(found["phase"]), found["reason"], found["message"])
            elapsed = max(elapsed, float(line["elapsed"]))
        except (KeyError, TypeError, ValueError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise LineError(f"{count}: {what}") from error
    ledger = Ledger(tuple(entries[number] for number in sorted(entries)))
    return Folded(ledger, elapsed, verdict)


def _new(line: Mapping[str, Any], entries: Mapping[int, Entry]) -> Entry:
    if line["number"] in entries:
        raise LineError(f"trial {line['number']} is there twice")
    configuration = Configuration(tuple(line["configuration"].items()))
    if configuration.fingerprint != line["fingerprint"]:
        raise LineError(f"trial {line['number']} was changed: its configuration does not match its fingerprint")
    return Entry(
        Trial(
            line["number"],
            configuration,
            line["proposer"],
            line["predicted"],
            # Ledgers of earlier versions don't hold these.
            line.get("reason", ""),
            line.get("decidedAfter"),
        )
    )


def _changed(line: Mapping[str, Any], entries: Mapping[int, Entry]) -> Entry:
    entry = entries.get(line["number"])
    if entry is None:
        raise LineError(f"trial {line['number']} was never written down")
    if entry.outcome is not None:
        raise LineError(f"trial {line['number']} has its outcome already")
    if line["attempt"] is not None:
        entry = replace(entry, attempts=(*entry.attempts, _attempt(line["attempt"])))
    if line["outcome"] is not None:
        entry = replace(entry, outcome=_outcome(line["outcome"]), position=line["position"])
    return entry


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "reason": attempt.reason,
        "message": attempt.message,
        "seconds": attempt.seconds,
        "gpuHours": attempt.gpu_hours,
        "counts": attempt.counts,
    }


def _attempt(line: Mapping[str, Any]) -> Attempt:
    return Attempt(line["reason"], line["message"], line["seconds"], line["gpuHours"], line["counts"])


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Measured):
        samples = {metric: list(values) for metric, values in outcome.samples.items()}
        return {"kind": "measured", "metrics": dict(outcome.metrics), "samples": samples}
    kind = "infeasible" if isinstance(outcome, Infeasible) else "lost"
    return {"kind": kind, "reason": outcome.reason, "message": outcome.message}


def _outcome(line: Mapping[str, Any]) -> Outcome:
    kind = line["kind"]
    if kind == "measured":
        return Measured(line["metrics"], {metric: tuple(values) for metric, values in line["samples"].items()})
    if kind == "infeasible":
        return Infeasible(line["reason"], line["message"])
    if kind == "lost":
        return Lost(line["reason"], line["message"])
    raise LineError(f"outcome of unknown kind {kind!r}")

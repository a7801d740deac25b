"""`autoscout tune`: the search on this machine, without a cluster."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from autoscout import __version__
from autoscout.api import convert
from autoscout.api.tuning_job import TuningJob
from autoscout.baselines import algorithm
from autoscout.cli import results
from autoscout.cli.documents import documents
from autoscout.cli.files import UnwritableError
from autoscout.cli.ledger_file import LEDGER, LedgerError, LedgerFile, spec_hash
from autoscout.cli.ledger_lines import Header
from autoscout.cli.loop import INTERRUPTED, Search, Task
from autoscout.cli.progress import display
from autoscout.executors.admission import check
from autoscout.executors.process import ProcessExecutor
from autoscout.executors.protocol import ExecutorError
from autoscout.report.result import Result
from autoscout.report.text import text
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Budget

DIRECTORY = Path("autoscout-runs")

OK, FAILED, REFUSED, INTERRUPT = 0, 1, 2, 130
"""Exit codes: complete; nothing found or an error on the way; nothing was started; stopped by a signal."""


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        directory: of the ledger and the report; None: `autoscout-runs/<name of the job>`.
        budget: instead of `budget.maxProfiles`.
        parallel: instead of `budget.parallelism`.
    """

    file: Path
    directory: Path | None = None
    resume: bool = False
    parallel: int | None = None
    budget: int | None = None
    json_to: Path | None = None
    html_to: Path | None = None
    quiet: bool = False


def tune(options: Options, console: Console, errors: Console) -> int:
    """Run the whole command; the exit code."""
    job = load(options.file, errors)
    if job is None:
        return REFUSED
    directory = options.directory or DIRECTORY / job.metadata.name
    opened = LedgerFile.resume if options.resume else LedgerFile.create
    try:
        executor = ProcessExecutor(job, directory, slots=_budget(job, options).parallelism)
        with opened(directory, _header(job)) as ledger:
            task = _task(job, _budget(job, options), room=len(executor.slots))
            if not options.quiet:
                _say(console, _beginning(job, options, task, directory, ledger))
            verdict = asyncio.run(_search(task, executor, ledger, console, quiet=options.quiet))
            found = results.result_of(job, task.problem, ledger.state)
            return _finish(options, directory, found, verdict, console)
    except UnwritableError as error:
        words = f"error: {error}. The search is over and its ledger is kept: autoscout report {directory}"
        errors.print(words, markup=False, highlight=False, soft_wrap=True)
        return FAILED
    except (LedgerError, ExecutorError) as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED


def load(file: Path, errors: Console) -> TuningJob | None:
    """The TuningJob in a file, ready to run here; None after everything that is wrong with it was printed."""
    document: object = None
    try:
        found = documents(file)
    except OSError as error:
        wrong = [f"can't be read: {error.strerror}"]
    except ValueError as error:
        wrong = [str(error)]
    else:
        document = found[0] if found else None
        wrong = [str(error) for error in check(document, cluster=False)]
        if len(found) != 1:
            wrong = [f"holds {len(found)} YAML documents; exactly one TuningJob is needed"]
    for line in wrong:
        errors.print(f"{file}: {line}", markup=False, highlight=False, soft_wrap=True)
    return None if wrong else convert.job(document)


def _header(job: TuningJob) -> Header:
    whole = job.manifest()
    kept = {name: whole[name] for name in ("apiVersion", "kind", "spec")} | {"metadata": {"name": job.metadata.name}}
    return Header(__version__, job.spec.search.seed, spec_hash(kept), kept)


def _task(job: TuningJob, budget: Budget, room: int) -> Task:
    """What is searched; `room`: profiles that this machine can run at once."""
    pool, problem = job.spec.hardware.pools[0], convert.problem(job)
    return Task(
        name=job.metadata.name,
        problem=problem,
        budget=replace(budget, parallelism=min(budget.parallelism, room)),
        optimizer=algorithm(problem.algorithm),
        gpus=pool.nodes * pool.gpus_per_node,
        max_attempts=job.spec.profile.attempts,
        stop_early=job.spec.profile.stop_early,
    )


def _beginning(job: TuningJob, options: Options, task: Task, directory: Path, ledger: LedgerFile) -> str:
    done, wanted = ledger.state.ledger.profiled, _budget(job, options).parallelism
    words = f"{task.name}: up to {task.budget.max_profiles} profiles"
    words += f", {done} of them done already" if done else ""
    words += f"; ledger: {directory / LEDGER}"
    if task.budget.parallelism < wanted:
        words += f"\nThis machine has room for {task.budget.parallelism} at once, not for {wanted}."
    return words


def _finish(options: Options, directory: Path, found: Result, verdict: Verdict, console: Console) -> int:
    json_to, html_to = options.json_to or directory / results.JSON, options.html_to or directory / results.HTML
    results.write(found, json_to=json_to, html_to=html_to)
    launches = results.write_launch(found, directory)
    if verdict.reason == INTERRUPTED:
        _say(console, f"\n{verdict.message}. Go on with:\n  {_again(options)}")
        return INTERRUPT
    words = f"\n{text(found)}\nReport: {html_to}\nJSON:   {json_to}"
    words += f"\nLaunch: {', '.join(map(str, launches))}" if launches else ""
    if found.cost.pending:
        words += f"\nOnce that is mended, go on with:\n  {_again(options)}"
    _say(console, words)
    return OK if verdict.phase is Phase.COMPLETE else FAILED


def _budget(job: TuningJob, options: Options) -> Budget:
    budget = convert.budget(job)
    return replace(
        budget,
        max_profiles=budget.max_profiles if options.budget is None else options.budget,
        parallelism=budget.parallelism if options.parallel is None else options.parallel,
    )


async def _search(
    task: Task, executor: ProcessExecutor, ledger: LedgerFile, console: Console, *, quiet: bool
) -> Verdict:
    stop = asyncio.Event()
    with display(console, quiet=quiet) as watcher:
        forget = _on_signal(stop, console)
        try:
            return await Search(task, executor, ledger, watcher, stop=stop, changed=executor.wait_change).run()
        finally:
            forget()


def _on_signal(stop: asyncio.Event, console: Console) -> Callable[[], None]:
    """Let the first Ctrl-C or SIGTERM stop the search in good order; the next one ends the program as usual."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for each in signals:
            loop.remove_signal_handler(each)

    def first() -> None:
        forget()
        stop.set()
        _say(console, "stopping what runs; once more to leave at once")

    for each in signals:
        loop.add_signal_handler(each, first)
    return forget


def _again(options: Options) -> str:
    words = ["autoscout", "tune", str(options.file), "--resume"]
    given = {
        "--directory": options.directory,
        "--budget": options.budget,
        "--parallel": options.parallel,
        "--json": options.json_to,
        "--html": options.html_to,
    }
    for option, value in given.items():
        words += [] if value is None else [option, str(value)]
    return shlex.join(words)


def _say(console: Console, words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)

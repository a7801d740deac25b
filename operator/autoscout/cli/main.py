"""The command `autoscout`. Each command imports what it needs when it runs: help is quick, the base install small."""

# ruff: noqa: D301, PLC0415
# D301: "\b" is the character that keeps the lines of an example apart in the help. PLC0415: see above.

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autoscout import __version__
from autoscout.cli.extra import needs_extra

STDOUT = Path("-")
"""Says that a file goes to the standard output; what else there is to say then goes to the standard error."""

app = typer.Typer(
    name="autoscout",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autoscout {__version__}")
        raise typer.Exit


@app.callback()
def autoscout(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the best configuration of an ML system with few real measurements.

    A TuningJob says what is tuned: a workload, the parameters that may
    change, objectives, constraints and a budget. The same file runs on this
    machine (autoscout tune) and on a cluster (kubectl apply).

    \b
    Try it:
      autoscout validate docs/examples/quickstart.yaml
      autoscout tune docs/examples/quickstart.yaml

    \b
    On a cluster:
      autoscout crds --output crds && kubectl apply --server-side -f crds/
      autoscout operator
    """


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(help="YAML file with one TuningJob.", metavar="FILE", show_default=False)],
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory",
            "-d",
            help="Where ledger and report go. Default: autoscout-runs/NAME-OF-THE-JOB.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the ledger in the directory.")] = False,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Profiles at once, instead of budget.parallelism.", show_default=False),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Profiles in all, instead of budget.maxProfiles.", show_default=False),
    ] = None,
    json_to: Annotated[
        Path | None,
        typer.Option(
            "--json", help="Where the result goes as JSON. Default: DIRECTORY/result.json.", show_default=False
        ),
    ] = None,
    html_to: Annotated[
        Path | None,
        typer.Option("--html", help="Where the report goes. Default: DIRECTORY/report.html.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
) -> None:
    """Search on this machine, measuring each configuration as a local process; no cluster is needed.

    Every decision and every outcome is written to DIRECTORY/ledger.jsonl
    before the search goes on. Ctrl-C stops in good order; with --resume the
    search goes on from there, also after a crash, and measures nothing twice.
    The spec must be the same then, except for its budget.

    \b
    Examples:
      autoscout tune job.yaml
      autoscout tune job.yaml --resume --budget 40    # those done included
      autoscout tune job.yaml -d /data/run7 --parallel 2
      autoscout tune job.yaml --quiet --json - > result.json

    \b
    Exit codes:
      0    complete
      1    nothing feasible found, or the measurements could not be run
      2    nothing started: the job or the directory is not in order
      130  interrupted
    """
    from autoscout.cli.tune import Options
    from autoscout.cli.tune import tune as run

    options = Options(file, directory, resume, parallel, budget, json_to, html_to, quiet)
    errors = Console(stderr=True)
    raise typer.Exit(run(options, errors if STDOUT in (json_to, html_to) else Console(), errors))


@app.command()
def report(
    directory: Annotated[
        Path, typer.Argument(help="Directory that autoscout tune wrote.", metavar="DIRECTORY", show_default=False)
    ],
    json_to: Annotated[
        Path | None, typer.Option("--json", help="Write the result as JSON.", show_default=False)
    ] = None,
    html_to: Annotated[
        Path | None, typer.Option("--html", help="Write the report as HTML.", show_default=False)
    ] = None,
) -> None:
    """Print the result of a search again, from its ledger; also while it runs or after it was cut off.

    \b
    Examples:
      autoscout report autoscout-runs/quickstart
      autoscout report autoscout-runs/quickstart --html report.html
      autoscout report autoscout-runs/quickstart --json - | jq .best
    """
    from autoscout.cli.report import report as run

    errors = Console(stderr=True)
    raise typer.Exit(run(directory, json_to, html_to, errors if STDOUT in (json_to, html_to) else Console(), errors))


@app.command()
def replay(
    source: Annotated[
        str,
        typer.Argument(
            help="tj/NAME on the cluster; or the directory of autoscout tune; or a file with a TuningJob and its "
            "TuningTrials.",
            metavar="SOURCE",
            show_default=False,
        ),
    ],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of tj/NAME. Default: the context's.", show_default=False)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Decide each trial once more from what was known then, and compare.")
    ] = False,
    json_to: Annotated[
        Path | None, typer.Option("--json", help="Write it as JSON; - is the standard output.", show_default=False)
    ] = None,
    kubeconfig: Annotated[str | None, typer.Option(help="Kubeconfig file.", show_default=False)] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.", show_default=False)] = None,
) -> None:
    """Fold a ledger and print every decision with its reason: the audit of a search.

    For each trial: who proposed it and why, what was predicted, the incumbent
    at that time (* marks the parameters that differ from it), the outcome.

    \b
    Examples:
      autoscout replay tj/quickstart -n team-a
      autoscout replay autoscout-runs/quickstart --check
      (kubectl get tj quickstart -o yaml; echo ---
       kubectl get tt -l autoscout.io/tuning-job=quickstart -o yaml) > search.yaml
      autoscout replay search.yaml --json decisions.json

    \b
    Exit codes:
      0  done
      1  with --check: a decision would be taken otherwise by this version
      2  there is nothing to replay
    """
    from autoscout.cli.replay import Options, run

    errors = Console(stderr=True)
    options = Options(source, namespace, kubeconfig, context, check, json_to)
    raise typer.Exit(run(options, errors if json_to == STDOUT else Console(), errors))


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(help="YAML files with TuningJobs.", metavar="FILE...", show_default=False)
    ],
    local: Annotated[
        bool, typer.Option("--local", help="Check for autoscout tune: no container image is needed then.")
    ] = False,
) -> None:
    """Check TuningJobs without running them: one line for each file that is in order, else one for each mistake.

    \b
    Examples:
      autoscout validate docs/examples/*.yaml
      autoscout validate --local job.yaml
    """
    from autoscout.cli.validate import check

    lines, well = check(files, cluster=not local)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(0 if well else 2)


@app.command()
def bench(
    job: Annotated[Path, typer.Option("--job", help="YAML file with one TuningJob.", show_default=False)],
    table: Annotated[
        Path,
        typer.Option(
            "--table", help="CSV file, gzip or not: one row for each valid configuration.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory for results.json and the plots.", show_default=False)
    ],
    algorithms: Annotated[
        str, typer.Option("--algorithms", "-a", help="Names, separated by commas, as in search.algorithm.")
    ] = "autoscout,coordinate,cherrypick,udo,random",
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="Runs of each algorithm.")] = 20,
    first_seed: Annotated[
        int, typer.Option("--first-seed", min=0, help="Seed of the first run; the next ones follow.")
    ] = 0,
    budget: Annotated[int, typer.Option(min=1, max=100_000, help="Distinct profiles in each run.")] = 200,
    noise: Annotated[
        float,
        typer.Option(min=0.0, max=10.0, help="What a profile reports is off by a log-normal factor of this sigma."),
    ] = 0.0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--settings", "-s", help="KEY=VALUE for search.settings; may be repeated.", show_default=False),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=1000, help="Profiles in flight at once.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=1000, help="Processes; each makes whole runs.")] = 1,
    until: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="End a run once its incumbent is so near the optimum (1.01: 1 %; 1: the optimum itself). Saves time.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare algorithms on a table of known outcomes: a real profile is a look-up, simulations are free.

    The table has a column for each parameter (empty where it is inactive),
    the column status (ok, oom, failed), and a column for each metric. Trial 0
    is the default configuration, as in every search. The constraints of the
    job decide what is feasible.

    \b
    Writes to DIRECTORY:
      results.json     the incumbent after every profile, in every run
      convergence.svg  incumbent over optimum against profiles
      reached.svg      seeds within 1 % of the optimum against profiles

    \b
    Examples:
      autoscout bench --job gpt.yaml --table gpt.csv.gz -a udo,cherrypick,random -o out
      autoscout bench --job gpt.yaml --table gpt.csv.gz -a autoscout -s tournament.k=20 -o out --noise 0.05

    \b
    Exit codes:
      0  done
      1  a run could not be finished
      2  nothing started: the job, the table or an option is not in order
    """
    _one_thread()
    from autoscout.cli.bench import Options
    from autoscout.cli.bench import bench as run
    from autoscout.search.benchmark import Setup

    setup = Setup(budget=budget, noise=noise, parallelism=parallel, until=until)
    options = Options(job, table, algorithms, output, seeds, first_seed, setup, tuple(settings or ()), workers)
    raise typer.Exit(run(options, Console(), Console(stderr=True)))


@app.command()
def predict(
    job: Annotated[Path, typer.Argument(help="YAML file with one TuningJob.", metavar="JOB", show_default=False)],
    configurations: Annotated[
        Path,
        typer.Option("--configurations", "-c", help="CSV file, gzip or not: one row each.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="CSV file to write; - is the standard output.", show_default=False)
    ],
    profiles: Annotated[
        int | None, typer.Option(min=0, help="Take so many rows as measured first.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of those rows.")] = 0,
) -> None:
    """Say what the simulators expect of configurations, without a single profile.

    IN has a column for each parameter, empty where it is inactive; other
    columns are passed on. OUT has the same columns, then for every metric
    predicted_METRIC and std_METRIC (one standard deviation), then
    predicted_peak_memory_gib and predicted_status (ok, oom).

    With --profiles N, IN is a table of profiles (columns status and metrics,
    as for autoscout bench): N rows at random correct the simulators, as
    profiles would, and how good these then are of the other rows is printed.
    OUT has the corrected predictions, and says which rows were profiled.

    \b
    Examples:
      autoscout predict job.yaml --configurations in.csv --output out.csv
      autoscout predict job.yaml -c table.csv.gz -o out.csv --profiles 20

    \b
    Exit codes:
      0  done
      2  the job or the file is not in order, or there is no simulator for the job
    """
    errors = Console(stderr=True)
    if profiles is None:
        from autoscout.cli.predict import predict as run

        raise typer.Exit(run(job, configurations, output, errors))
    _one_thread()
    from autoscout.cli.judging import Options, judge

    options = Options(job, configurations, output, profiles, seed)
    raise typer.Exit(judge(options, errors if output == STDOUT else Console(), errors))


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="YAML file with one TuningJob.", metavar="FILE", show_default=False)],
    json_to: Annotated[
        Path | None, typer.Option("--json", help="Write it as JSON; - is the standard output.", show_default=False)
    ] = None,
    html_to: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page; - is the standard output.", show_default=False)
    ] = None,
    runners_up: Annotated[int, typer.Option("--runners-up", min=0, max=1000, help="How many more to name.")] = 5,
) -> None:
    """Recommend a configuration by simulators only: in seconds, without a GPU.

    Prints the configuration with its predictions (90 % intervals), its gain
    over the defaults, the launch command, the runners-up, and how much each
    parameter matters.

    \b
    Examples:
      autoscout plan job.yaml
      autoscout plan job.yaml --html plan.html
      autoscout plan job.yaml --json - | jq .recommended.configuration

    \b
    Exit codes:
      0  done
      1  nothing is expected to run and keep the constraints; the least unlikely is shown
      2  the job is not in order, or there is no simulator for it
    """
    from autoscout.cli.plan import plan as run

    errors = Console(stderr=True)
    console = errors if STDOUT in (json_to, html_to) else Console()
    raise typer.Exit(run(file, json_to, html_to, runners_up, console, errors))


@app.command()
def crds(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write them to.")] = Path("crds"),
) -> None:
    """Write the CustomResourceDefinitions of TuningJob and TuningTrial.

    \b
    Example:
      autoscout crds --output crds && kubectl apply --server-side -f crds/
    """
    from autoscout.cli.crds import generate
    from autoscout.cli.files import announced

    raise typer.Exit(announced(generate, output))


@app.command()
def reference(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write it to.")] = Path("docs/reference"),
) -> None:
    """Write the reference of the API and of the operator's metrics, as Markdown.

    \b
    Example:
      autoscout reference --output docs/reference
    """
    try:
        from autoscout.cli.files import announced
        from autoscout.cli.reference import generate
    except ModuleNotFoundError as error:
        needs_extra(error, "the reference")

    raise typer.Exit(announced(generate, output))


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
def operator(context: typer.Context) -> None:
    """Run the operator: watch TuningJobs on a cluster and measure their trials as Jobs."""
    try:
        from autoscout.cli.operator import operator as run
    except ModuleNotFoundError as error:
        needs_extra(error, "the operator")
    inner = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    inner.command()(run)
    inner(args=context.args, prog_name="autoscout operator")


def _one_thread() -> None:
    """Let linear algebra run on one thread, if it is not loaded yet and nobody said otherwise.

    A sum over several threads has another order on another number of cores, so another last digit, and in the end
    another result; and what a search costs would be counted several times.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def main() -> None:
    """The console script."""
    app()

"""`python -m autoscout_profiler`: measure a trial, report the measurement of a program, try out how reports arrive."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from autoscout_profiler import selftest
from autoscout_profiler.runner.entry import Framework, profile
from autoscout_profiler.wrap import MetricPattern, wrap

_ABOUT = """\
What runs beside a measurement that AutoScout asked for. A program reports by lines in its output, the frames
(docs/reference/frames.md). `megatron` and `vllm` measure a trial of these frameworks by themselves. A Python program of
your own writes frames with autoscout_profiler.Reporter; any other program is started through `wrap`, which finds the
numbers in its output.
"""

_PROFILE = """\
Measure one trial with {title} and report it in frames. {what}

The trial is the JSON of the variable AUTOSCOUT_TRIAL, as the operator sets it, or a file:

  python -m autoscout_profiler {framework} --trial trial.json

with, for example:

{example}

hardware.gpusPerNode of 0, or no hardware, measures on the CPU; otherwise GPUs are required. The parameters of a
configuration and the fields of a workload: docs/reference/{framework}.md.

Whatever fails becomes one error frame: OutOfMemory, HostOutOfMemory, InvalidConfiguration, FrameworkError, Hang,
Killed, PeerLost, Infrastructure. SIGTERM ends the trial within 4 seconds, with a result if there are samples enough.

variables:
  PROFILER_STARTUP_SECONDS    for the first sign of progress, 1800
  PROFILER_HANG_SECONDS       for each further one, 300; longer is a hang
  AUTOSCOUT_NODES, AUTOSCOUT_NODE_RANK (or JOB_COMPLETION_INDEX), AUTOSCOUT_MASTER_ADDR, AUTOSCOUT_MASTER_PORT
                              of a trial on several nodes: start this on each

exit code: 0 with a result, 1 with an error frame, 2 without a trial, 143 if stopped before there was a result
"""

_TITLES = {
    Framework.MEGATRON: ("Megatron", "Training and fine-tuning; one process for each rank."),
    Framework.VLLM: ("vLLM", "Inference, offline or under load; vLLM starts its own workers."),
}

_ARCHITECTURE = (
    '"architecture": {\n'
    '                  "layers": 4, "hiddenSize": 128, "attentionHeads": 4, "ffnHiddenSize": 256, "vocabSize": 512}'
)

_EXAMPLES = {
    Framework.MEGATRON: """\
  {"configuration": {"tp": 2, "mbs": 1},
   "workload": {"task": "training", "model": {"name": "tiny", ARCHITECTURE},
                "globalBatchSize": 4, "sequenceLength": 64, "precision": "fp32"},
   "warmupIterations": 2, "iterations": 5}""",
    Framework.VLLM: """\
  {"configuration": {"max_num_seqs": 8},
   "workload": {"task": "inference", "model": {"name": "tiny", ARCHITECTURE},
                "inputTokens": 64, "outputTokens": 16, "load": {"requests": 16}},
   "iterations": 3}""",
}

_WRAP = """\
Run COMMAND without a shell, pass its output on, and report what it measured as a result frame:

  python -m autoscout_profiler wrap --metric 'seconds_per_step=step time: ([0-9.]+) s' -- ./train --layers 12
  python -m autoscout_profiler wrap --json-last-line -- ./bench --json

The metric wall_seconds, from the start of COMMAND to its end, is always there.

If COMMAND fails, an error frame says so: NonZeroExit with the end of its standard error, Killed with the signal,
CommandNotFound, or NoResult if a metric was not found. A COMMAND that writes frames itself has the last word.
SIGTERM is passed on to COMMAND. The exit code is that of COMMAND; 1 for NoResult.
"""

_SELFTEST = """\
Carry out STEPS in order, as a measurement would: to see what an executor makes of it. Without AUTOSCOUT_TRIAL it
reports a trial named `manual`.

  python -m autoscout_profiler selftest progress=1/2 sleep=1 result=seconds:0.5,0.4,0.6
  python -m autoscout_profiler selftest forged garbage error=OutOfMemory:"no room" exit=1

steps:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit code."""
    options = _parser().parse_args(arguments)
    if options.subcommand == "wrap":
        return wrap(_command(options.command), options.metric, json_last_line=options.json_last_line)
    if options.subcommand in set(Framework):
        return profile(Framework(options.subcommand), options.trial)
    try:
        return selftest.Actor().run(options.steps)
    except (ValueError, KeyError) as error:
        sys.stderr.write(f"selftest: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autoscout_profiler", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for framework in Framework:
        _add_framework(commands, framework)
    wrapping = commands.add_parser(
        "wrap",
        help="report what a program measures that knows nothing of frames",
        description=_WRAP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="python -m autoscout_profiler wrap [--metric NAME=REGEX ...] [--json-last-line] -- COMMAND...",
    )
    wrapping.add_argument(
        "--metric",
        action="append",
        default=[],
        type=_pattern,
        metavar="NAME=REGEX",
        help="a metric, its unit in its name, and the expression whose first group is its number, for any line of both "
        "streams; all matches are samples, their median is the value",
    )
    wrapping.add_argument(
        "--json-last-line",
        action="store_true",
        help="take the numbers of the last line of standard output that is a JSON object; a list of numbers is samples",
    )
    wrapping.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND...", help="the program and its arguments"
    )
    testing = commands.add_parser(
        "selftest",
        help="behave as told: frames good and bad, output, signals, exit codes",
        description=_SELFTEST
        + textwrap.indent("\n".join(f"{step:34}{what}" for step, what in selftest.STEPS.items()), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    testing.add_argument("steps", nargs="+", metavar="STEP", help="NAME or NAME=VALUE, see above")
    return parser


def _add_framework(commands: argparse._SubParsersAction[argparse.ArgumentParser], framework: Framework) -> None:
    title, what = _TITLES[framework]
    example = _EXAMPLES[framework].replace("ARCHITECTURE", _ARCHITECTURE)
    profiling = commands.add_parser(
        framework,
        help=f"measure a trial with {title}",
        description=_PROFILE.format(title=title, what=what, framework=framework, example=example),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    profiling.add_argument("--trial", type=Path, metavar="FILE", help="a file with the trial's JSON")


def _command(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        _parser().error("wrap: name the COMMAND behind --, such as: wrap --metric 'seconds=([0-9.]+) s' -- ./bench")
    return command


def _pattern(text: str) -> MetricPattern:
    try:
        return MetricPattern.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())

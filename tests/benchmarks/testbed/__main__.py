"""Write the modelled testbed as landscapes: `python -m tests.benchmarks.testbed --output DIR`.

Each is a TuningJob (NAME.yaml) and a table (NAME.csv.gz), for `autoscout bench` and `python -m tests.benchmarks`:

    python -m tests.benchmarks.testbed --output tables --only testbed-llama8b-8xa40-vllm
    autoscout bench --job tables/testbed-llama8b-8xa40-vllm.yaml \\
        --table tables/testbed-llama8b-8xa40-vllm.csv.gz --output out
"""

# ruff: noqa: T201 - a command prints

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.testbed.jobs import beds
from tests.benchmarks.testbed.tables import write


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    all_beds = {bed.name: bed for bed in beds()}
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.testbed",
        description=f"{__doc__}\n" + "\n".join(f"{name}: {bed.about}" for name, bed in all_beds.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIRECTORY", help="where the files go")
    parser.add_argument(
        "--only", nargs="+", choices=all_beds, default=list(all_beds), metavar="NAME", help="of those above"
    )
    options = parser.parse_args(arguments)
    for name in options.only:
        counts = write(all_beds[name], options.output)
        said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        print(f"{name}: {sum(counts.values())} configurations ({said})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

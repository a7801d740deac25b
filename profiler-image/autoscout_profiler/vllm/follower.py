"""A node of several that is not the first: its workers belong to the engine there, which alone takes requests."""

from __future__ import annotations

import argparse
import os

from vllm.entrypoints.cli.serve import run_headless

from autoscout_profiler.vllm.arguments import Plan
from autoscout_profiler.vllm.worker import FOLLOWER_VARIABLE


def follow(plan: Plan) -> None:
    """Run this node's workers, or its replicas, until the first node ends them: by a SIGTERM to this process."""
    os.environ[FOLLOWER_VARIABLE] = str(os.getpid())
    # What `vllm serve --headless` runs with these arguments, without its server's.
    run_headless(argparse.Namespace(**plan.arguments, api_server_count=0, reasoning_parser_plugin=""))

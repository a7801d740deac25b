"""This machine as a site."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tests.contract.site import Site, job

from autoscout.api.tuning_job import TuningJob
from autoscout.executors.process import ProcessExecutor
from autoscout.executors.protocol import Ended, Executor
from autoscout.executors.slots import Slot


class ProcessSite(Site):
    """A directory, and slots that measurements of `sleep` can share a machine in.

    Args:
        grace: seconds between SIGTERM and SIGKILL; whatever answers to SIGTERM has time enough, as a rule.
    """

    def __init__(
        self,
        job: TuningJob,
        directory: Path,
        slots: Sequence[Slot] = (Slot("a"), Slot("b")),
        *,
        grace: float = 60.0,
    ) -> None:
        super().__init__(job)
        self.directory = directory
        self._slots = slots
        self._grace = grace

    async def executor(self) -> ProcessExecutor:
        return ProcessExecutor(self.job, self.directory, self._slots, grace=self._grace)

    async def change(self, executor: Executor) -> None:
        assert isinstance(executor, ProcessExecutor)
        await executor.wait_change()

    async def close(self) -> None:
        """Leave nothing running."""
        executor = await self.executor()
        for observation in await executor.observe():
            await executor.cancel(observation.id)
            await self.until(executor, lambda state: isinstance(state, Ended), *observation.id)


def command(*words: str, timeout: str = "10m", env: dict[str, str] | None = None) -> TuningJob:
    """A job that runs something else than the self-test."""
    document = job(timeout=timeout).manifest()
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    document["spec"]["profile"] |= {"command": list(words), "args": [], "env": variables}
    return TuningJob.model_validate(document)


def gated(gate: Path, *steps: str) -> TuningJob:
    """A job that runs, and carries out the steps of the self-test once this file is there."""
    wait = f"until [ -e {shlex.quote(str(gate))} ]; do sleep 0.05; done"
    return command("sh", "-c", f"{wait}; exec python3 -m autoscout_profiler selftest {' '.join(steps)}")

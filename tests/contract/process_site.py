"""This machine as a site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.contract.site import Site

from autoscout.api.tuning_job import TuningJob
from autoscout.executors.process import ProcessExecutor
from autoscout.executors.protocol import Ended, Executor
from autoscout.executors.slots import Slot


class ProcessSite(Site):
    """A directory, and slots that measurements of `sleep` can share a machine in."""

    patience = 20.0

    def __init__(self, job: TuningJob, directory: Path, slots: Sequence[Slot] = (Slot("a"), Slot("b"))) -> None:
        super().__init__(job)
        self.directory = directory
        self._slots = slots

    async def executor(self) -> ProcessExecutor:
        return ProcessExecutor(self.job, self.directory, self._slots, grace=0.3)

    async def change(self, executor: Executor) -> None:
        assert isinstance(executor, ProcessExecutor)
        await executor.wait_change()

    async def close(self) -> None:
        """Leave nothing running."""
        executor = await self.executor()
        for observation in await executor.observe():
            await executor.cancel(observation.id)
            await self.until(executor, lambda state: isinstance(state, Ended), *observation.id)

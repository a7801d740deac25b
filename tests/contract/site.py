"""What the executor contract needs of a place to run: an implementation is a `Site`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from autoscout.api import convert
from autoscout.api.tuning_job import TuningJob
from autoscout.executors.protocol import AttemptId, Ended, Executor, State
from autoscout.search.ledger import Trial

IMAGE = "autoscout.local/profiler:test"


def job(*steps: str, timeout: str = "10m", name: str = "contract") -> TuningJob:
    """A TuningJob whose profiles are `autoscout_profiler selftest STEPS`; its one parameter is `tile`: 1, 2, 3, 4."""
    return convert.job(
        {
            "apiVersion": "autoscout.io/v1alpha1",
            "kind": "TuningJob",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "objectives": [{"metric": "seconds"}],
                "searchSpace": {
                    "parameters": [{"name": "tile", "kind": "execution", "values": [1, 2, 3, 4], "default": 1}]
                },
                "profile": {
                    "image": IMAGE,
                    "command": ["python3", "-m", "autoscout_profiler", "selftest"],
                    "args": list(steps),
                    "timeout": timeout,
                },
            },
        }
    )


class Site(ABC):
    """A place where one TuningJob runs.

    Attributes:
        job: what runs there.
        patience: seconds within which anything short has to happen, also on a machine that does much else.
    """

    patience = 300.0

    def __init__(self, job: TuningJob) -> None:
        self.job = job

    @abstractmethod
    async def executor(self) -> Executor:
        """An executor that remembers nothing: as after a crash of the one before."""

    @abstractmethod
    async def change(self, executor: Executor) -> None:
        """Wait until another look may show something new."""

    def trial(self, number: int) -> Trial:
        """Trial `number` measures tile = number + 1."""
        return Trial(number, convert.problem(self.job).space.canonical({"tile": number + 1}), "test")

    async def run(self, executor: Executor, number: int = 0, attempt: int = 0) -> Ended:
        """Ensure an attempt and wait for its end."""
        await executor.ensure(self.trial(number), attempt)
        return await self.ended(executor, number, attempt)

    async def ended(self, executor: Executor, number: int = 0, attempt: int = 0) -> Ended:
        """The end of an attempt."""
        state = await self.until(executor, lambda state: isinstance(state, Ended), number, attempt)
        assert isinstance(state, Ended)
        return state

    async def until(
        self, executor: Executor, holds: Callable[[State], bool], number: int = 0, attempt: int = 0
    ) -> State:
        """The first state of an attempt for which something holds."""

        async def look() -> State:
            while True:
                state = (await states(executor)).get(AttemptId(number, attempt))
                if state is not None and holds(state):
                    return state
                await self.change(executor)

        return await asyncio.wait_for(look(), self.patience)


StartSite = Callable[[TuningJob], Awaitable[Site]]


async def states(executor: Executor) -> dict[AttemptId, State]:
    """What `observe` says, by attempt."""
    observations = await executor.observe()
    assert [each.id for each in observations] == sorted({each.id for each in observations})
    return {each.id: each.state for each in observations}

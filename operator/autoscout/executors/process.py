"""Profiles as processes of this machine: `autoscout tune` without a cluster.

Each attempt has a directory and a supervisor of its own (`supervisor.py`), which outlives us: a measurement that ends
while nobody looks is there for the next `observe`, and one that still runs is adopted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from autoscout.api.names import trial_name
from autoscout.api.tuning_job import TuningJob
from autoscout.executors import supervisor
from autoscout.executors.attempt import Attempt, attempts_in, identity_of
from autoscout.executors.command import PlaceholderError, RenderedCommand
from autoscout.executors.measurement import rendered_command, trial_environment
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Observation
from autoscout.executors.slots import Slot, machine_slots
from autoscout.search.ledger import Trial

GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL."""

_LOOK_SECONDS = 0.25
"""Between two looks at the sizes of the logs, while `wait_change` waits."""


class ProcessExecutor:
    """Runs the profiles of one job on this machine, each in a slot of its own; what finds none free is queued.

    One executor at a time may serve a directory. Measurements get the environment and the working directory of this
    process, with the folder of this Python first on the PATH: `python3` is the one that runs AutoScout.
    """

    def __init__(
        self, job: TuningJob, directory: Path, slots: Sequence[Slot] | int = 1, *, grace: float = GRACE_SECONDS
    ) -> None:
        """Serve a job.

        Args:
            job: whose `profile` is run.
            directory: its attempts lie in `attempts/` below.
            slots: where to measure; a number divides this machine (`machine_slots`).
            grace: seconds between asking a process to stop and killing it.

        Raises:
            ExecutorError: this machine has not the GPUs that the job needs.
        """
        pool = job.spec.hardware.pools[0]
        self.slots = machine_slots(slots, pool.nodes * pool.gpus_per_node) if isinstance(slots, int) else tuple(slots)
        self._job = job
        self._root = directory.absolute() / "attempts"
        self._grace = grace
        self._attempts: dict[AttemptId, Attempt] = {}
        self._trials: dict[AttemptId, tuple[Trial, RenderedCommand]] = {}
        self._seen: dict[AttemptId, tuple[object, ...]] = {}
        self._released: set[Path] = set()
        self._lock = asyncio.Lock()

    async def ensure(self, trial: Trial, attempt: int) -> None:
        """See `Executor`. The attempt starts at once if a slot is free, and otherwise as soon as `observe` finds one.

        Raises:
            ExecutorError: `CommandInvalid`, `CommandNotFound`; `AttemptConflict`, `AttemptReleased`: the directory
                belongs to another search.
        """
        async with self._lock:
            rendered = self._render(trial)
            await asyncio.to_thread(self._adopt)
            identity = AttemptId(trial.number, attempt)
            known = Attempt.create(
                self._root,
                identity,
                trial_name(self._job.metadata.name, trial.number),
                fingerprint=_fingerprint(trial, rendered),
                timeout=self._job.spec.profile.timeout.seconds,
            )
            self._attempts.setdefault(identity, known)
            self._trials[identity] = (trial, rendered)
            await self._start_queued()

    async def observe(self) -> Sequence[Observation]:
        """See `Executor`. Queued attempts that this executor was told to ensure move up here."""
        async with self._lock:
            await asyncio.to_thread(self._adopt)
            await self._start_queued()
            observations = []
            for identity, attempt in sorted(self._attempts.items()):
                self._seen[identity] = attempt.footprint()
                observations.append(Observation(identity, await asyncio.to_thread(attempt.state)))
            return observations

    async def cancel(self, identity: AttemptId) -> None:
        """See `Executor`. The process gets SIGTERM, and SIGKILL after the grace; its slot is free when it has ended."""
        async with self._lock:
            await asyncio.to_thread(self._adopt)
            if identity in self._attempts:
                self._attempts[identity].cancel()

    async def stop_early(self, identity: AttemptId) -> None:
        """See `Executor`. The process has the grace to answer SIGTERM with a result frame."""
        async with self._lock:
            await asyncio.to_thread(self._adopt)
            if identity in self._attempts:
                self._attempts[identity].stop_early()

    async def release(self, identity: AttemptId) -> None:
        """See `Executor`. The log stays in the directory for people.

        Raises:
            ExecutorError: `AttemptRunning`: it has not ended.
        """
        async with self._lock:
            attempt = self._attempts.get(identity)
            if attempt is None:
                return
            if not isinstance(attempt.state(), Ended):
                raise ExecutorError(
                    "AttemptRunning", f"attempt {identity.attempt} of trial {identity.number} has not ended"
                )
            attempt.release()
            self._released.add(attempt.directory)
            for known in (self._attempts, self._trials, self._seen):
                known.pop(identity, None)

    async def wait_change(self) -> None:
        """Sleep until `observe` has something new: an attempt was added, started or ended, or its log grew.

        It may take for ever: bound it with `asyncio.timeout`.
        """
        while all(attempt.footprint() == self._seen.get(identity) for identity, attempt in self._attempts.items()):
            await self._wait_end(_LOOK_SECONDS)

    async def _wait_end(self, seconds: float) -> None:
        """Sleep, but no longer than until a supervisor ends."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        with ExitStack() as stack:
            for attempt in self._attempts.values():
                holder = supervisor.lock_holder(attempt.directory)
                with suppress(ProcessLookupError):
                    if holder is not None:
                        descriptor = os.pidfd_open(holder)
                        stack.callback(os.close, descriptor)
                        loop.add_reader(descriptor, ended.set)
                        stack.callback(loop.remove_reader, descriptor)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), seconds)

    def _adopt(self) -> None:
        """Take in what an earlier executor left in the directory."""
        for directory in attempts_in(self._root):
            identity = identity_of(directory)
            if identity in self._attempts or directory in self._released:
                continue
            attempt = Attempt(directory, trial_name(self._job.metadata.name, identity.number))
            if attempt.released:
                self._released.add(directory)
            else:
                self._attempts[identity] = attempt

    async def _start_queued(self) -> None:
        taken = [slot for attempt in self._attempts.values() if (slot := attempt.occupies)]
        free = [slot for slot in self.slots if not any(slot.overlaps(other) for other in taken)]
        # What was only adopted waits for `ensure`: it may not be wanted any more.
        waiting = [self._attempts[identity] for identity in self._trials if self._attempts[identity].fresh]
        for attempt, slot in zip(sorted(waiting, key=lambda each: (each.queued, each.id)), free, strict=False):
            attempt.take(slot)
            await self._start(attempt, slot)

    async def _start(self, attempt: Attempt, slot: Slot) -> None:
        trial, rendered = self._trials[attempt.id]
        variables = trial_environment(self._job, trial, attempt.id.attempt, str(attempt.termination_path))
        if slot.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(slot.gpus)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", supervisor.__file__, str(attempt.directory)),
            *(str(attempt.timeout), str(self._grace), ",".join(map(str, slot.cores)), "--", *rendered.argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=_inherited() | dict(rendered.env) | variables,
            start_new_session=True,  # Ctrl-C is for us: what is measured is stopped in good order, or goes on
        )
        await process.wait()
        if attempt.fresh:
            attempt.never_started()

    def _render(self, trial: Trial) -> RenderedCommand:
        try:
            rendered = rendered_command(self._job, trial.configuration)
        except PlaceholderError as error:
            raise ExecutorError("CommandInvalid", f"spec.{error}") from error
        if not rendered.command:
            raise ExecutorError(
                "CommandInvalid", "spec.profile.command: without an image there is no entry point: name the program"
            )
        path = (_inherited() | dict(rendered.env))["PATH"]
        if shutil.which(rendered.argv[0], path=path) is None:
            raise ExecutorError(
                "CommandNotFound",
                f"spec.profile.command[0]: no program {rendered.argv[0]!r} on the PATH of this machine",
            )
        return rendered


def _inherited() -> dict[str, str]:
    """Our own environment, with this Python first on the PATH."""
    here = str(Path(sys.executable).parent)
    return dict(os.environ) | {"PATH": os.pathsep.join((here, os.environ.get("PATH", os.defpath)))}


def _fingerprint(trial: Trial, rendered: RenderedCommand) -> str:
    content = [trial.configuration.fingerprint, rendered.argv, dict(rendered.env)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

"""What the process executor promises beyond the contract: slots, and that nothing is lost or left behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.process_site import ProcessSite, command, gated
from tests.contract.site import job, states

from autoscout.api.tuning_job import TuningJob
from autoscout.executors import supervisor
from autoscout.executors.process import ProcessExecutor
from autoscout.executors.protocol import AttemptId, Ended, ExecutorError, Running, Waiting
from autoscout.executors.slots import Slot
from autoscout.search.outcome import Infeasible, Lost, Measured

FIRST = AttemptId(0, 0)
RESULT = "result=seconds:0.5"
MEASURED = Measured({"seconds": 0.5}, {"seconds": (0.5,)})
UNMISTAKABLE = f"1111.{os.getpid()}"
"""Seconds that no other test run on this machine sleeps for."""

pytestmark = pytest.mark.usefixtures("profiler_on_path")


@pytest.fixture
async def place(tmp_path):
    """Makes sites, and leaves nothing running."""
    sites: list[ProcessSite] = []

    def make(job: TuningJob, *slots: Slot, **options: float) -> ProcessSite:
        sites.append(ProcessSite(job, tmp_path, slots or (Slot("a"), Slot("b")), **options))
        return sites[-1]

    yield make
    for site in sites:
        await site.close()


def log(site: ProcessSite, attempt: str = "0-0") -> str:
    return (site.directory / "attempts" / attempt / supervisor.LOG).read_text()


async def running(site: ProcessSite, executor: ProcessExecutor, number: int = 0) -> Running:
    state = await site.until(executor, lambda state: isinstance(state, Running) and bool(state.progress), number)
    assert isinstance(state, Running)
    return state


def alive(mark: str) -> list[int]:
    """Processes with this text among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


async def test_what_finds_no_slot_waits_and_starts_when_one_is_free(place, tmp_path):
    site = place(gated(tmp_path / "gate", "parameter=tile:1"), Slot("only"))
    executor = await site.executor()
    for number in (0, 1, 2):
        await executor.ensure(site.trial(number), 0)
    seen = await states(executor)
    assert [type(state) for state in seen.values()] == [Running, Waiting, Waiting]
    assert seen[AttemptId(1, 0)].reason == "Queued"
    (tmp_path / "gate").touch()
    for number in (0, 1, 2):  # no release is needed for the next one to start
        assert (await site.ended(executor, number)).result == Measured({"seconds": number + 1.0})


async def test_what_waits_can_be_cancelled_and_never_runs(place):
    site = place(job("progress=0/1", "wait"), Slot("only"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await executor.ensure(site.trial(1), 0)
    await executor.cancel(AttemptId(1, 0))
    ended = (await states(executor))[AttemptId(1, 0)]
    assert ended == Ended(Lost("Cancelled", "stopped on request"), 0.0, 0)
    assert not (site.directory / "attempts" / "1-0" / supervisor.LOG).exists()


async def test_what_waits_when_the_controller_dies_starts_when_it_is_ensured_again(place):
    site = place(job(RESULT), Slot("only"))
    blocker = place(job("progress=0/1", "wait"), Slot("only"))
    first = await blocker.executor()
    await first.ensure(blocker.trial(0), 0)
    await (await site.executor()).ensure(site.trial(1), 0)

    second = await site.executor()
    assert isinstance((await states(second))[AttemptId(1, 0)], Waiting)
    await second.cancel(FIRST)
    await site.ended(second)
    assert isinstance((await states(second))[AttemptId(1, 0)], Waiting)
    assert (await site.run(second, 1)).result == MEASURED


async def test_a_slot_taken_before_a_restart_stays_taken_even_if_it_is_cut_otherwise_now(place):
    old = place(job("progress=0/1", "wait"), Slot("0", (min(os.sched_getaffinity(0)),)))
    executor = await old.executor()
    await executor.ensure(old.trial(0), 0)
    new = place(job("progress=0/1", "wait"), Slot("all", tuple(os.sched_getaffinity(0))))
    executor = await new.executor()
    await executor.ensure(new.trial(1), 0)
    assert isinstance((await states(executor))[AttemptId(1, 0)], Waiting)


async def test_a_measurement_has_the_cores_and_gpus_of_its_slot(place):
    core = max(os.sched_getaffinity(0))
    script = "import os; print(sorted(os.sched_getaffinity(0)), os.environ.get('CUDA_VISIBLE_DEVICES'))"
    site = place(command("python3", "-c", script), Slot("a", (core,), ("3", "5")))
    ended = await site.run(await site.executor())
    assert log(site) == f"[{core}] 3,5\n"
    assert ended.gpus == 2


async def test_a_measurement_has_our_environment_and_directory_and_python3_is_ours(place, monkeypatch):
    monkeypatch.setenv("FROM_OUTSIDE", "1")
    script = "import json, os, sys; print(json.dumps([sys.executable, os.getcwd(), dict(os.environ)]))"
    site = place(command("python3", "-c", script, env={"TILE": "t$(params.tile)"}))
    await site.run(await site.executor(), number=2)
    executable, directory, environment = json.loads(log(site, "2-0"))
    assert Path(executable).parent == Path(sys.executable).parent
    assert directory == str(Path.cwd())
    assert environment["FROM_OUTSIDE"] == "1"
    assert environment["TILE"] == "t3"
    assert environment["AUTOSCOUT_PARAM_TILE"] == "3"
    assert json.loads(environment["AUTOSCOUT_TRIAL"])["trial"] == "contract-2"


async def test_signals_are_at_their_defaults_in_a_measurement(place):
    site = place(command("grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"))
    await site.run(await site.executor())
    blocked, ignored = (int(line.split()[1], 16) for line in log(site).splitlines())
    threads_own = (
        1 << 31 | 1 << 32
    )  # signals 32 and 33 belong to the C library, which ignores them in a spawned process
    assert (blocked, ignored & ~threads_own) == (0, 0)


async def test_a_controller_that_is_killed_loses_nothing(place, tmp_path):
    gate = tmp_path / "gate"
    site = place(gated(gate, RESULT))
    script = f"""
import asyncio, os
from pathlib import Path
from tests.contract.process_site import ProcessSite, gated
async def main():
    site = ProcessSite(gated(Path({str(gate)!r}), "{RESULT}"), Path({str(site.directory)!r}))
    await (await site.executor()).ensure(site.trial(0), 0)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    executor = await site.executor()
    assert isinstance((await states(executor))[FIRST], Running)
    gate.touch()
    ended = await site.ended(executor)
    assert (ended.result, ended.frames_ignored) == (MEASURED, 0)


async def test_a_supervisor_that_is_killed_is_a_loss_and_leaves_nothing_running(place):
    mark = f"print=unmistakable-{os.getpid()}"
    site = place(job("progress=0/1", mark, "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await running(site, executor)
    assert alive(mark)
    os.kill(supervisor.lock_holder(site.directory / "attempts" / "0-0"), signal.SIGKILL)
    ended = await site.ended(executor)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "SupervisorLost"
    await gone(mark)
    assert (await states(await site.executor()))[FIRST] == ended


async def test_a_result_outlives_even_its_supervisor(place):
    site = place(job(RESULT, "progress=1/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await running(site, executor)
    os.kill(supervisor.lock_holder(site.directory / "attempts" / "0-0"), signal.SIGKILL)
    assert (await site.ended(executor)).result == MEASURED


async def test_a_supervisor_that_is_asked_to_end_from_outside_is_a_loss(place):
    site = place(job("progress=0/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await running(site, executor)
    os.kill(supervisor.lock_holder(site.directory / "attempts" / "0-0"), signal.SIGTERM)
    ended = await site.ended(executor)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "Terminated"


async def test_what_ignores_sigterm_is_killed_after_the_grace(place):
    site = place(job("stubborn", "progress=0/1", "wait"), grace=0.3)
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await running(site, executor)
    await executor.cancel(FIRST)
    ended = await site.ended(executor)
    assert isinstance(ended.result, Lost)
    assert ended.seconds >= 0.3


@pytest.mark.parametrize("daemon", ["sleep", "setsid sleep"])
@pytest.mark.parametrize("end", ["cancel", "deadline"])
async def test_nothing_of_a_stopped_measurement_goes_on(place, daemon, end):
    frame = "python3 -m autoscout_profiler selftest progress=0/1"
    script = f"{frame}; {daemon} {UNMISTAKABLE} & wait"
    site = place(command("sh", "-c", script, timeout="10m" if end == "cancel" else "1s"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    if end == "cancel":
        await running(site, executor)
        await executor.cancel(FIRST)
    await site.ended(executor)
    assert alive(UNMISTAKABLE) == []


@pytest.mark.parametrize("daemon", ["sleep", "setsid sleep"])
async def test_nothing_that_a_measurement_leaves_behind_goes_on(place, daemon):
    script = f"{daemon} {UNMISTAKABLE} & exec python3 -m autoscout_profiler selftest {RESULT}"
    site = place(command("sh", "-c", script))
    assert (await site.run(await site.executor())).result == MEASURED
    assert alive(UNMISTAKABLE) == []


@pytest.fixture
def not_a_program(tmp_path) -> str:
    path = tmp_path / "not-a-program"
    path.write_bytes(b"\x7fELF but not quite")
    path.chmod(0o755)
    return str(path)


async def test_what_the_system_refuses_to_start_is_infeasible(place, not_a_program):
    site = place(command(not_a_program))
    ended = await site.run(await site.executor())
    assert ended.result == Infeasible("CannotStart", f"{not_a_program}: Exec format error")


@pytest.mark.parametrize(
    ("script", "says"),
    [("echo at layer 7; kill -KILL $$", "out of memory; last output: at layer 7"), ("kill -SEGV $$", "SIGSEGV")],
)
async def test_a_signal_that_killed_it_is_told(place, script, says):
    site = place(command("sh", "-c", script))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == "Killed"
    assert says in ended.result.message


async def test_a_result_that_is_only_in_the_termination_message_counts(place):
    script = "python3 -m autoscout_profiler selftest result=seconds:0.5 >/dev/null"
    site = place(command("sh", "-c", script))
    ended = await site.run(await site.executor())
    assert (ended.result, ended.frames_ignored) == (MEASURED, 0)
    assert log(site) == ""


@pytest.mark.parametrize(
    ("words", "reason", "says"),
    [
        (["no-such-program"], "CommandNotFound", r"profile\.command\[0\]: no program 'no-such-program'"),
        ([], "CommandInvalid", r"profile\.command: without an image"),
        (["sh", "-c", "bench $(params.tile)"], "CommandInvalid", r"profile\.command\[2\]"),
    ],
)
async def test_a_command_that_can_not_start_here_is_refused_before_anything_is_written(place, words, reason, says):
    site = place(command(*words))
    executor = await site.executor()
    with pytest.raises(ExecutorError, match=says) as caught:
        await executor.ensure(site.trial(0), 0)
    assert caught.value.reason == reason
    assert await states(executor) == {}


async def test_a_directory_of_another_search_is_refused(place):
    other = place(job("result=seconds:1"))
    executor = await other.executor()
    ended = await other.run(executor)
    site = place(job(RESULT))
    with pytest.raises(ExecutorError, match="another configuration or command") as caught:
        await (await site.executor()).ensure(site.trial(0), 0)
    assert caught.value.reason == "AttemptConflict"
    assert await states(executor) == {FIRST: ended}


async def test_what_was_released_is_not_measured_again(place):
    site = place(job(RESULT))
    executor = await site.executor()
    await site.run(executor)
    await executor.release(FIRST)
    with pytest.raises(ExecutorError, match="committed before") as caught:
        await (await site.executor()).ensure(site.trial(0), 0)
    assert caught.value.reason == "AttemptReleased"
    assert "frames" not in log(site)
    assert "@@AUTOSCOUT1" in log(site)  # the log stays for people


async def test_what_runs_is_not_released(place):
    site = place(job("progress=0/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    with pytest.raises(ExecutorError, match="has not ended"):
        await executor.release(FIRST)


async def test_two_supervisors_of_one_attempt_measure_once(place):
    site = place(job("print=once", "sleep=0.2", RESULT))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    directory = site.directory / "attempts" / "0-0"
    again = [sys.executable, supervisor.__file__, str(directory), "60", "1", "", "--", "echo", "twice"]
    await asyncio.to_thread(subprocess.run, again, check=True)
    assert (await site.ended(executor)).result == MEASURED
    await asyncio.to_thread(subprocess.run, again, check=True)
    assert log(site).count("once") == 1
    assert "twice" not in log(site)


async def test_a_supervisor_that_can_not_begin_is_a_loss_and_is_not_tried_for_ever(place, monkeypatch):
    site = place(job(RESULT), Slot("a", (99_999,)))
    executor = await site.executor()
    ended = await site.run(executor)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "SupervisorLost"
    assert ended.seconds == 0


async def test_the_number_of_a_dead_process_is_never_mistaken_for_a_supervisor(place):
    site = place(job("progress=0/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await running(site, executor)
    directory = site.directory / "attempts" / "0-0"
    os.kill(supervisor.lock_holder(directory), signal.SIGKILL)
    await site.ended(executor)
    pipe = asyncio.subprocess.PIPE
    bystander = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    content = json.loads((directory / supervisor.STARTED).read_text()) | {"pid": bystander.pid}
    (directory / supervisor.STARTED).write_text(json.dumps(content))
    (directory / supervisor.ENDED).unlink()
    other = await site.executor()
    await other.cancel(FIRST)
    assert isinstance((await states(other))[FIRST], Ended)
    assert await bystander.communicate(b"still here") == (b"still here", None)


async def test_waiting_for_a_change_ends_at_the_end_of_an_attempt_and_not_before(place, tmp_path):
    site = place(gated(tmp_path / "gate", "sleep=0"))  # it writes nothing: its end is the only change
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await executor.observe()
    await unchanged(executor)
    (tmp_path / "gate").touch()
    await asyncio.wait_for(executor.wait_change(), site.patience)
    assert isinstance((await states(executor))[FIRST], Ended)
    await unchanged(executor)


async def test_a_supervisor_that_goes_after_the_end_of_its_attempt_is_no_change(place):
    site = place(job(RESULT))
    executor = await site.executor()
    await site.run(executor)
    script = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    lock, pipe = site.directory / "attempts" / "0-0" / supervisor.LOCK, asyncio.subprocess.PIPE
    lingers = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(lock), stdin=pipe, stdout=pipe)
    assert lingers.stdout is not None
    await lingers.stdout.readline()
    assert isinstance((await states(executor))[FIRST], Ended)
    await lingers.communicate(b"\n")
    await unchanged(executor)


async def unchanged(executor: ProcessExecutor) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(executor.wait_change(), 0.05)


async def test_a_directory_with_other_things_in_it_is_no_trouble(place):
    site = place(job(RESULT))
    for name in ("attempts/3-0", "attempts/notes-old", "attempts/5"):
        (site.directory / name).mkdir(parents=True)
    executor = await site.executor()
    assert await states(executor) == {}
    assert (await site.run(executor)).result == MEASURED
    shutil.rmtree(site.directory / "attempts")


async def gone(mark: str) -> None:
    """A killed process needs a moment to leave /proc."""
    async with asyncio.timeout(60):
        while alive(mark):  # noqa: ASYNC110 - somebody else's processes tell nobody of their end
            await asyncio.sleep(0.01)

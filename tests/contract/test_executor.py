"""What every executor promises. The workload is `autoscout_profiler selftest`: a process here, a pod there."""

from __future__ import annotations

import pytest
from tests.contract.site import Site, StartSite, job, states

from autoscout.executors.protocol import AttemptId, Ended, Executor, ExecutorError, Running
from autoscout.search.outcome import Infeasible, Lost, Measured

RESULT = "result=seconds:0.5,0.4,0.6"
MEASURED = Measured({"seconds": 0.5}, {"seconds": (0.5, 0.4, 0.6)})


async def test_nothing_is_observed_before_anything_was_ensured(start: StartSite):
    site = await start(job(RESULT))
    assert await states(await site.executor()) == {}


async def test_a_result_comes_back_with_every_sample_and_what_it_took(start: StartSite):
    site = await start(job("progress=1/2", "sleep=0.2", RESULT))
    ended = await site.run(await site.executor())
    assert ended.result == MEASURED
    assert 0.2 <= ended.seconds < site.patience
    assert ended.gpus == 0
    assert ended.frames_ignored == 0


async def test_each_trial_measures_its_own_configuration(start: StartSite):
    site = await start(job("parameter=tile:10"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await executor.ensure(site.trial(3), 0)
    assert (await site.ended(executor, 0)).result == Measured({"seconds": 10.0}, {})
    assert (await site.ended(executor, 3)).result == Measured({"seconds": 40.0}, {})


async def test_a_placeholder_arrives_as_its_value(start: StartSite):
    site = await start(job("result=seconds:$(params.tile)", "print=$(HOME) $$ `id`"))
    ended = await site.run(await site.executor(), number=2)
    assert ended.result == Measured({"seconds": 3.0}, {"seconds": (3.0,)})


async def test_to_ensure_again_changes_nothing(start: StartSite):
    site = await start(job("progress=1/2", "sleep=0.3", RESULT))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await executor.ensure(site.trial(0), 0)
    await (await site.executor()).ensure(site.trial(0), 0)
    await site.until(executor, lambda state: isinstance(state, Running | Ended))
    await executor.ensure(site.trial(0), 0)
    ended = await site.ended(executor)
    await executor.ensure(site.trial(0), 0)
    # Had it run twice, the frames of the second run would repeat those of the first.
    assert (ended.result, ended.frames_ignored) == (MEASURED, 0)
    assert await states(executor) == {AttemptId(0, 0): ended}


async def test_an_end_is_observed_until_it_is_released_also_by_others(start: StartSite):
    site = await start(job(RESULT))
    first = await site.executor()
    ended = await site.run(first)
    assert await states(first) == {AttemptId(0, 0): ended}
    second = await site.executor()
    assert (await states(second))[AttemptId(0, 0)] == ended
    await second.release(AttemptId(0, 0))
    await second.release(AttemptId(0, 0))
    assert await states(second) == {}
    assert await states(await site.executor()) == {}


async def test_what_runs_when_the_controller_dies_is_adopted(start: StartSite):
    site = await start(job("last-word=seconds:0.5", "progress=1/2", "wait"))
    first = await site.executor()
    await first.ensure(site.trial(0), 0)
    await site.until(first, lambda state: isinstance(state, Running) and bool(state.progress))
    second = await site.executor()
    assert isinstance((await states(second))[AttemptId(0, 0)], Running)
    await second.ensure(site.trial(0), 0)
    # It ends when the second one says so, and not before that one has looked.
    await second.stop_early(AttemptId(0, 0))
    ended = await site.ended(second)
    assert (ended.result, ended.frames_ignored) == (Measured({"seconds": 0.5}, {}), 0)


async def test_progress_is_seen_while_it_runs(start: StartSite):
    site = await start(job("progress=1/9", "progress=3/9", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    state = await site.until(
        executor, lambda state: isinstance(state, Running) and state.progress.get("iteration") == 3
    )
    assert isinstance(state, Running)
    assert state.progress["iterations"] == 9
    await executor.cancel(AttemptId(0, 0))


async def test_what_is_cancelled_is_lost_and_frees_its_place(start: StartSite):
    site = await start(job("progress=0/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await site.until(executor, lambda state: isinstance(state, Running))
    await executor.cancel(AttemptId(0, 0))
    await executor.cancel(AttemptId(0, 0))
    ended = await site.ended(executor)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "Cancelled"


async def test_what_is_cancelled_right_away_is_lost(start: StartSite):
    site = await start(job("wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await executor.cancel(AttemptId(0, 0))
    ended = await site.ended(executor)
    assert isinstance(ended.result, Lost)
    assert ended.result.reason == "Cancelled"


async def test_what_has_ended_can_not_be_cancelled_any_more(start: StartSite):
    site = await start(job(RESULT))
    executor = await site.executor()
    ended = await site.run(executor)
    await executor.cancel(AttemptId(0, 0))
    assert await states(executor) == {AttemptId(0, 0): ended}


async def test_a_result_outweighs_a_cancellation(start: StartSite):
    site = await start(job(RESULT, "progress=1/1", "wait"))
    executor = await site.executor()
    await executor.ensure(site.trial(0), 0)
    await site.until(executor, lambda state: isinstance(state, Running) and bool(state.progress))
    await executor.cancel(AttemptId(0, 0))
    assert (await site.ended(executor)).result == MEASURED


REPORTS = ("report=seconds:9", "report=seconds:8", "report=seconds:7")


async def reporting(site: Site, executor: Executor) -> None:
    """Until it has reported, and done what comes between that and the last progress frame."""
    await executor.ensure(site.trial(0), 0)
    state = await site.until(
        executor, lambda state: isinstance(state, Running) and state.progress.get("iteration") == 4
    )
    assert isinstance(state, Running)
    assert state.reports == ({"seconds": 9.0}, {"seconds": 8.0}, {"seconds": 7.0})


async def test_what_is_stopped_early_answers_with_its_result(start: StartSite):
    site = await start(job(*REPORTS, "last-word=seconds:6", "progress=4/9", "wait"))
    executor = await site.executor()
    await reporting(site, executor)
    await executor.stop_early(AttemptId(0, 0))
    await executor.stop_early(AttemptId(0, 0))
    ended = await site.ended(executor)
    assert (ended.result, ended.stopped_early) == (Measured({"seconds": 6.0}, {}), True)
    assert await states(await site.executor()) == {AttemptId(0, 0): ended}, "nobody has to remember that it was stopped"


async def test_what_is_stopped_early_without_an_answer_is_measured_by_its_reports(start: StartSite):
    site = await start(job(*REPORTS, "progress=4/9", "wait"))
    executor = await site.executor()
    await reporting(site, executor)
    await executor.stop_early(AttemptId(0, 0))
    ended = await site.ended(executor)
    assert ended.result == Measured({"seconds": 8.0}, {"seconds": (9.0, 8.0, 7.0)})
    assert ended.stopped_early


async def test_what_has_ended_can_not_be_stopped_early_any_more(start: StartSite):
    site = await start(job(RESULT))
    executor = await site.executor()
    ended = await site.run(executor)
    await executor.stop_early(AttemptId(0, 0))
    await executor.stop_early(AttemptId(7, 0))
    assert not ended.stopped_early
    assert await states(executor) == {AttemptId(0, 0): ended}


async def test_to_cancel_or_release_what_is_not_there_does_nothing(start: StartSite):
    site = await start(job(RESULT))
    executor = await site.executor()
    await executor.cancel(AttemptId(7, 0))
    await executor.release(AttemptId(7, 0))
    assert await states(executor) == {}


@pytest.mark.parametrize(
    ("steps", "reason", "says"),
    [
        (["print=cannot open shard 3", "exit=3"], "NonZeroExit", "cannot open shard 3"),
        (["error=OutOfMemory:2 GiB short", "exit=1"], "OutOfMemory", "2 GiB short"),
        (["error=InvalidConfiguration:tile too large"], "InvalidConfiguration", "tile too large"),
        (["print=done"], "NoResult", "wrote no result frame"),
    ],
)
async def test_the_configuration_s_own_failure_is_infeasible(start: StartSite, steps, reason, says):
    site = await start(job(*steps))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == reason
    assert says in ended.result.message


async def test_a_failure_that_blames_the_infrastructure_is_lost(start: StartSite):
    site = await start(job("error=Infrastructure:GPU fell off the bus", "exit=1"))
    ended = await site.run(await site.executor())
    assert ended.result == Lost("Infrastructure", "GPU fell off the bus")


async def test_what_takes_too_long_is_infeasible(start: StartSite):
    site = await start(job("progress=1/9", "wait", timeout="1s"))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == "DeadlineExceeded"
    assert ended.seconds >= 1


async def test_a_result_outweighs_a_crash_after_it(start: StartSite):
    site = await start(job(RESULT, "exit=139"))
    assert (await site.run(await site.executor())).result == MEASURED


async def test_garbage_and_forged_frames_are_ignored_and_counted(start: StartSite):
    site = await start(job("forged", "garbage", "foreign", "stale", "torn", RESULT, "forged"))
    ended = await site.run(await site.executor())
    assert ended.result == MEASURED
    assert ended.frames_ignored == 6


async def test_forged_frames_alone_are_no_result(start: StartSite):
    site = await start(job("forged", "foreign", "stale", "torn"))
    ended = await site.run(await site.executor())
    assert isinstance(ended.result, Infeasible)
    assert ended.result.reason == "NoResult"
    assert ended.frames_ignored == 4


async def test_two_attempts_of_one_trial_do_not_mix(start: StartSite):
    site = await start(job("parameter=tile:1"))
    executor = await site.executor()
    first = await site.run(executor, 0, 0)
    second = await site.run(executor, 0, 1)
    assert first.frames_ignored == second.frames_ignored == 0
    assert await states(executor) == {AttemptId(0, 0): first, AttemptId(0, 1): second}
    await executor.release(AttemptId(0, 0))
    assert await states(executor) == {AttemptId(0, 1): second}


async def test_a_command_that_can_not_be_right_is_refused_by_field(start: StartSite):
    site = await start(job("result=seconds:$(params.width)"))
    executor = await site.executor()
    with pytest.raises(
        ExecutorError, match=r"spec\.profile\.args\[0\]: \$\(params\.width\) names no parameter"
    ) as caught:
        await executor.ensure(site.trial(0), 0)
    assert caught.value.reason == "CommandInvalid"
    assert await states(executor) == {}

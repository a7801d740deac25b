"""What is read of an ended attempt when its log, its node or its pod may be gone."""

from __future__ import annotations

import pytest
from aiohttp import web
from tests.unit.kubernetes_executor.objects import ATTEMPT, START, TRIAL, Object, frame, pod, running, terminated
from tests.unit.kubernetes_executor.server import Answer, Server, status

from autoscout.executors.kubernetes import harvest as harvesting
from autoscout.executors.kubernetes.client import KubernetesApi
from autoscout.executors.kubernetes.harvest import Harvest, harvest, reported
from autoscout.executors.kubernetes.views import PodView
from autoscout_profiler.frames import TERMINATION_LIMIT, Error, Progress, Result

WHOLE = Result({"seconds": 1.5}, {"seconds": (1.4, 1.6)})
SHORT = Result({"seconds": 1.5}, samples_omitted=True)
NODE_GONE = status(500, "InternalError", "dial tcp 10.0.0.7:10250: connect: connection refused")
LOG_GONE = status(404, "NotFound", "pods not found")


def log(*lines: str) -> Answer:
    return lambda _: web.Response(body="\n".join(lines).encode())


async def read(api: KubernetesApi, message: str = "", *, seconds_later: float = 5) -> Harvest:
    view = PodView.of(pod("Succeeded", terminated(0, message=message, finished=90)))
    return await harvest(api, "ns", view, TRIAL, ATTEMPT, START + 90 + seconds_later)


def body(found: Harvest) -> object:
    return found.scanner.last_word.body if found.scanner.last_word is not None else None


async def test_the_log_is_read_whatever_the_termination_message_says(
    server: tuple[Server, str], api: KubernetesApi
) -> None:
    server[0].answers = [log("noise", frame(Progress(1, 2), 1), frame(WHOLE, 2))]
    found = await read(api, frame(SHORT, 2))
    assert body(found) == WHOLE
    assert (found.log_read, found.worth_waiting, found.scanner.frames_ignored) == (True, False, 0)


async def test_a_termination_message_stands_in_for_a_rotated_log(
    server: tuple[Server, str], api: KubernetesApi
) -> None:
    server[0].answers = [log("only the newest file is shown")]
    assert body(await read(api, frame(WHOLE, 2))) == WHOLE


@pytest.mark.parametrize(
    ("answer", "message", "seconds_later", "waits"),
    [
        (NODE_GONE, "", 5, True),
        (NODE_GONE, frame(SHORT), 5, True),
        (NODE_GONE, frame(WHOLE), 5, False),
        (NODE_GONE, frame(Error("OutOfMemory")), 5, False),
        (NODE_GONE, "", 61, False),
        (LOG_GONE, "", 5, False),
    ],
    ids=[
        "nothing known yet",
        "the samples are missing",
        "all is known",
        "an error says all",
        "the node had its chance",
        "the log will never come back",
    ],
)
async def test_a_log_that_can_not_be_read_is_waited_for_only_while_it_can_help(
    server: tuple[Server, str], api: KubernetesApi, answer: Answer, message: str, seconds_later: float, *, waits: bool
) -> None:
    server[0].answers = [answer]
    found = await read(api, message, seconds_later=seconds_later)
    assert (found.log_read, found.worth_waiting) == (False, waits)


async def test_without_an_end_there_is_no_log_to_ask_for(server: tuple[Server, str], api: KubernetesApi) -> None:
    view = PodView.of(pod("Running", running(), deletion=(65, 5)))
    assert body(await harvest(api, "ns", view, TRIAL, ATTEMPT, START + 100)) is None
    assert server[0].requests == []


async def test_the_end_of_a_log_with_long_lines_is_not_cut_off(
    server: tuple[Server, str], api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harvesting, "LOG_BYTES", 4096)
    server[0].answers = [log("x" * 4096), log(frame(WHOLE))]
    assert body(await read(api)) == WHOLE
    assert [request[1].split("tailLines=")[1] for request in server[0].requests] == [
        "2000&limitBytes=4096",
        "100&limitBytes=4096",
    ]


async def test_a_result_that_is_reported_already_fits_into_an_annotation(
    server: tuple[Server, str], api: KubernetesApi
) -> None:
    many = tuple(float(number) for number in range(50_000))
    view = PodView.of(pod("Running", running()))
    server[0].answers = [log(frame(Result({"seconds": 1.5}, {"seconds": many})), frame(Progress(2, 2), 2)), NODE_GONE]
    line = await reported(api, "ns", view, TRIAL, ATTEMPT)
    assert frame(SHORT) == line
    assert len(line) < TERMINATION_LIMIT
    assert await reported(api, "ns", view, TRIAL, ATTEMPT) == ""


# Several pods


async def gang(api: KubernetesApi, *pods: Object, with_progress: bool = False) -> list[Harvest]:
    views = [PodView.of(each) for each in pods]
    return await harvesting.read(api, "ns", views, TRIAL, ATTEMPT, START + 95, with_progress=with_progress)


async def test_where_the_first_pod_measured_no_other_log_is_read(
    server: tuple[Server, str], api: KubernetesApi
) -> None:
    server[0].answers = [log(frame(WHOLE, 2))]
    found = await gang(api, pod("Succeeded", terminated(0), index=0), pod("Failed", terminated(1), index=1))
    assert body(found[0]) == WHOLE
    assert len(server[0].requests) == 1


async def test_where_it_did_not_the_logs_of_those_that_failed_are_read(
    server: tuple[Server, str], api: KubernetesApi
) -> None:
    server[0].answers = [log("reset by peer"), log("no such file", frame(Error("FrameworkError", "no such file"), 3))]
    ends = [terminated(1), terminated(1), terminated(0)]
    found = await gang(api, *(pod("Failed", end, index=index) for index, end in enumerate(ends)))
    assert [body(each) for each in found] == [None, Error("FrameworkError", "no such file"), None]
    assert [request[1].split("/")[6] for request in server[0].requests] == [
        "tune-3-1-a1b2c-x7x7x-0",
        "tune-3-1-a1b2c-x7x7x-1",
    ]


async def test_of_many_that_failed_the_logs_of_the_first_to_fail_are_read(
    server: tuple[Server, str], api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harvesting, "MOST_LOGS", 2)
    server[0].answers = [log("reset by peer"), log("the cause"), log("reset by peer")]
    ends = [90.0, 90.0, 90.0, 80.0, 85.0]
    await gang(api, *(pod("Failed", terminated(1, finished=end), index=index) for index, end in enumerate(ends)))
    assert [request[1].split("/")[6].rsplit("-", 1)[1] for request in server[0].requests] == ["0", "3", "4"]


async def test_a_result_of_another_pod_than_the_first_is_none(server: tuple[Server, str], api: KubernetesApi) -> None:
    server[0].answers = [log("nothing")]
    found = await gang(
        api, pod("Failed", terminated(1), index=0), pod("Succeeded", terminated(0, message=frame(WHOLE, 2)), index=1)
    )
    assert [body(each) for each in found] == [None, None]
    assert found[1].scanner.frames_ignored == 1


@pytest.mark.parametrize(("wanted", "requests"), [(False, 0), (True, 1)])
async def test_while_they_run_only_the_progress_of_the_first_is_read_if_it_is_wanted(
    server: tuple[Server, str], api: KubernetesApi, wanted: bool, requests: int
) -> None:
    server[0].answers = [log(frame(Progress(1, 2, {"seconds": 3.0}), 1))]
    found = await gang(
        api, pod("Running", running(), index=0), pod("Running", running(), index=1), with_progress=wanted
    )
    assert list(found[0].scanner.reports) == [{"seconds": 3.0}] * requests
    assert len(server[0].requests) == requests

"""The supervisor over real processes: small ones, that end in all the ways in which ranks end."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.support.supervised import SECONDS_TO_END, Supervised, supervised

from autoscout_profiler.frames import Progress

IMPORTS = """
import os, signal, sys, threading, time
from autoscout_profiler.errors import InfrastructureError, InvalidConfiguration, OutOfMemory
from autoscout_profiler.runner import child
"""


def rank(body: str) -> str:
    """A rank's program, whose measurement is `body`."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{IMPORTS}\ndef measure(reporter):\n{lines}\n\nchild.run(measure)\n"


MEASURES = rank("""
print("hello from", reporter.rank)
print("warning", file=sys.stderr)
reporter.progress(1, 2)
reporter.progress(2, 2)
reporter.result({"seconds_per_iteration": 0.5 + reporter.rank}, samples={"seconds_per_iteration": [0.4, 0.5, 0.6]})
""")
PATIENT = {"settle": 20.0}
"""For what the other ranks say: on a busy machine one may have ended before another has begun."""
WAITS = rank("reporter.progress(1, 9); threading.Event().wait()")
LOSES_ITS_PEER = rank("""
reporter.progress(1, 9)
time.sleep(0.3)
raise RuntimeError("[pair.cc:547] Connection closed by peer [127.0.0.1]:1234")
""")


def test_a_result_of_rank_0_is_passed_on_and_that_of_others_is_not():
    outcome = supervised(MEASURES, MEASURES)
    assert outcome.code == 0
    assert outcome.result.metrics == {"seconds_per_iteration": 0.5}
    assert outcome.result.samples == {"seconds_per_iteration": (0.4, 0.5, 0.6)}
    assert [type(frame.body) for frame in outcome.frames[:-1]] == [Progress, Progress]


def test_the_output_of_every_rank_is_passed_on_by_line_with_its_rank():
    outcome = supervised(MEASURES, MEASURES)
    assert {"[rank 0] hello from 0", "[rank 1] hello from 1"} <= set(outcome.output.splitlines())
    assert {"[rank 0] warning", "[rank 1] warning"} <= set(outcome.errors.splitlines())


def test_a_single_process_needs_no_label():
    assert "hello from 0" in supervised(MEASURES).output.splitlines()


def test_frames_are_whole_whatever_is_printed_at_the_same_time():
    noisy = rank("""
def chatter():
    while True:
        sys.stdout.write("x" * 997)
threading.Thread(target=chatter, daemon=True).start()
for i in range(200):
    reporter.progress(i, 200)
reporter.result({"seconds": 1}, samples={"seconds": [1.0] * 20000})
os._exit(0)
""")
    outcome = supervised(noisy)
    assert len(outcome.frames) == 201
    assert len(outcome.result.samples["seconds"]) == 20000


def test_the_time_that_the_profile_took_is_told():
    assert "s in all" in supervised(MEASURES).errors
    assert "s to the first progress" in supervised(MEASURES).errors


@pytest.mark.parametrize(
    ("raised", "reason", "says"),
    [
        ("OutOfMemory('no cache blocks')", "OutOfMemory", "no cache blocks"),
        ("type('OutOfMemoryError', (RuntimeError,), {})('CUDA out of memory. Tried')", "OutOfMemory", "CUDA out of"),
        ("MemoryError()", "HostOutOfMemory", "MemoryError"),
        ("RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')", "HostOutOfMemory", "DefaultCPUAllocator"),
        ("InvalidConfiguration('tp', '3 does not divide 8 heads')", "InvalidConfiguration", "tp: 3 does not divide"),
        ("InfrastructureError('1 of 8 GPUs is there')", "Infrastructure", "1 of 8 GPUs"),
        ("KeyError('layer')", "FrameworkError", "KeyError: 'layer' (in measure, <string>:"),
        ("SystemExit('bad arguments')", "FrameworkError", "SystemExit: bad arguments"),
    ],
)
def test_an_exception_becomes_an_error_frame_of_its_reason(raised, reason, says):
    outcome = supervised(rank(f"raise {raised}"))
    assert outcome.code == 1
    assert outcome.error.reason == reason
    assert says in outcome.error.message
    assert "Traceback" in outcome.errors


def test_the_cause_is_told_rather_than_what_it_did_to_the_other_ranks():
    cause = rank("time.sleep(0.1); raise OutOfMemory('CUDA out of memory. Tried to allocate 2 GiB')")
    outcome = supervised(LOSES_ITS_PEER, cause, LOSES_ITS_PEER, limits=PATIENT)
    assert outcome.error.reason == "OutOfMemory"
    assert outcome.error.message.startswith("rank 1: CUDA out of memory")
    assert "; ranks 0, 2: RuntimeError: [pair.cc:547] Connection closed by peer" in outcome.error.message


def test_a_cause_that_speaks_after_the_others_is_still_found():
    late = rank("time.sleep(1); raise ValueError('unequal splits')")
    hasty = rank("raise RuntimeError('Connection reset by peer')")
    outcome = supervised(hasty, late, limits=PATIENT)
    assert outcome.error.message.startswith("rank 1: ValueError: unequal splits")


def test_ranks_that_wait_for_ever_end_with_the_one_that_failed():
    outcome = supervised(WAITS, rank("raise ValueError('no')"), limits={"settle": 0.5})
    assert outcome.error.reason == "FrameworkError"
    assert "rank 1: ValueError: no" in outcome.error.message


def test_the_first_of_several_failures_is_the_cause(tmp_path):
    sign = str(tmp_path / "pid-of-the-first")
    first = rank(f"""
with open({sign!r} + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename({sign!r} + ".new", {sign!r})
raise ValueError("first")
""")
    second = rank(f"""
while not os.path.exists({sign!r}) or os.path.exists("/proc/" + open({sign!r}).read()):
    time.sleep(0.01)
raise ValueError("second")
""")
    outcome = supervised(second, first, limits=PATIENT)
    assert outcome.error.message.startswith("rank 1: ValueError: first")
    assert "rank 0: ValueError: second" in outcome.error.message


def test_a_killed_rank_is_told_as_killed(tmp_path):
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 1\noom_kill 1\n")
    killed = rank("print('bye', flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    outcome = supervised(LOSES_ITS_PEER, killed, events=events, limits=PATIENT)
    assert outcome.error.reason == "Killed"
    assert outcome.error.message.startswith("rank 1: killed by SIGKILL; the end of its output: bye")


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_a_rank_that_the_kernel_killed_for_memory_is_told_as_such(tmp_path, name):
    events = tmp_path / name
    events.write_text("low 0\noom 1\noom_kill 1\n")
    killed = rank(f"open({str(events)!r}, 'w').write('oom 2\\noom_kill 2\\n'); os.kill(os.getpid(), signal.SIGKILL)")
    outcome = supervised(LOSES_ITS_PEER, killed, events=events, limits=PATIENT)
    assert outcome.error.reason == "HostOutOfMemory"
    assert "the container's memory ran out: killed by SIGKILL" in outcome.error.message


def test_an_engine_that_misses_its_killed_worker_ran_out_of_memory_too(tmp_path):
    events = tmp_path / "memory.events"
    events.write_text("oom_kill 0\n")
    engine = rank(f"""
open({str(events)!r}, "w").write("oom_kill 1\\n")
raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {{}}")
""")
    assert supervised(engine, events=events).error.reason == "HostOutOfMemory"


def test_the_cause_behind_an_engine_s_failure_is_found_in_its_output():
    engine = rank("""
print("(EngineCore pid=7) ERROR 11-22 [core.py:9] torch.OutOfMemoryError: CUDA out of memory. Tried", file=sys.stderr)
print("(EngineCore pid=7) ERROR 11-22 [core.py:9] RuntimeError: worker died", file=sys.stderr)
raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")
""")
    outcome = supervised(engine)
    assert outcome.error.reason == "OutOfMemory"
    assert outcome.error.message.startswith("torch.OutOfMemoryError: CUDA out of memory. Tried (behind it: RuntimeErr")


def test_a_crash_without_a_word_has_the_end_of_the_output():
    outcome = supervised(rank("print('layer 7', flush=True); os.abort()"))
    assert outcome.error.reason == "Killed"
    assert outcome.error.message == "killed by SIGABRT; the end of its output: layer 7"


def test_an_end_without_a_result_is_an_error():
    outcome = supervised(rank("pass"), rank("pass"))
    assert outcome.code == 1
    assert outcome.error.reason == "FrameworkError"
    assert "without a result" in outcome.error.message


def test_what_fails_after_the_result_does_not_undo_it():
    fails = MEASURES.replace("child.run", "    raise ValueError('on the way out')\n\nchild.run")
    outcome = supervised(fails, WAITS)
    assert "on the way out" in outcome.errors
    assert outcome.code == 0
    assert outcome.result.metrics["seconds_per_iteration"] == 0.5


def test_a_rank_that_does_not_end_after_the_result_is_ended():
    outcome = supervised(MEASURES, WAITS, limits={"teardown": 0.5})
    assert outcome.code == 0
    assert outcome.result.metrics


def test_a_hang_says_where_every_rank_was(tmp_path):
    stuck = """
def all_reduce():
    threading.Event().wait()
"""
    sign = str(tmp_path / "rank-1-is-there")
    first = rank(f"""{stuck}
while not os.path.exists({sign!r}):
    time.sleep(0.01)
reporter.progress(1, 9)
all_reduce()
""")
    second = rank(f"{stuck}open({sign!r}, 'w').close(); all_reduce()")
    outcome = supervised(first, second, limits={"hang": 3, "stack": 30})
    assert outcome.error.reason == "Hang"
    assert outcome.error.message.startswith("no progress for 3 s (PROFILER_HANG_SECONDS); rank 0 was in wait (thr")
    assert outcome.error.message.count("< all_reduce (<string>:") == 2


def test_progress_puts_the_hang_off():
    lively = rank("""
for i in range(10):
    reporter.progress(i, 10)
    time.sleep(0.5)
reporter.result({"seconds": 1})
""")
    assert supervised(lively, limits={"hang": 4}).result.metrics == {"seconds": 1}


def test_the_first_progress_has_a_limit_of_its_own():
    slow = rank("time.sleep(3); reporter.progress(0, 9); reporter.result({'seconds': 1})")
    assert supervised(slow, limits={"hang": 2}).result.metrics == {"seconds": 1}
    outcome = supervised(rank("threading.Event().wait()"), limits={"startup": 1.5})
    assert outcome.error.reason == "Hang"
    assert "nothing was measured 1.5 s after the start (PROFILER_STARTUP_SECONDS)" in outcome.error.message


STOPPED_IN_A_COLLECTIVE = rank("""
samples = [0.5, 0.6, 0.7]
reporter.when_stopped(lambda: len(samples) >= 3 and reporter.result({"seconds": 0.6}, samples={"seconds": samples}))
reporter.progress(3, 9)
lock = threading.Lock()
lock.acquire()
lock.acquire()  # as a collective does, it does not let Python's signal handlers run
""")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_early_stop_keeps_what_was_measured(number):
    # As patient as can be: what ends it must be the last words.
    running = Supervised(STOPPED_IN_A_COLLECTIVE, WAITS, limits={"stop": 10 * SECONDS_TO_END})
    running.wait_for("progress")
    running.process.send_signal(number)
    outcome = running.outcome()
    assert outcome.code == 0
    assert outcome.result.samples == {"seconds": (0.5, 0.6, 0.7)}


def test_an_early_stop_with_too_few_samples_reports_nothing():
    running = Supervised(WAITS, WAITS)
    running.wait_for("progress")
    running.process.terminate()
    outcome = running.outcome()
    assert outcome.code == 128 + signal.SIGTERM
    assert outcome.frames == []


def test_what_a_stopped_rank_raises_is_no_failure():
    breaks = rank("""
samples = [1, 2, 3]
def last_words():
    time.sleep(1)
    reporter.result({"seconds": 2})
reporter.when_stopped(last_words)
reporter.progress(3, 9)
reporter.stopping.wait()
raise RuntimeError("Connection closed by peer")
""")
    running = Supervised(breaks, WAITS, limits={"stop": 30})
    running.wait_for("progress")
    running.process.terminate()
    outcome = running.outcome()
    assert outcome.code == 0
    assert outcome.result.metrics == {"seconds": 2}


def test_a_rank_that_does_not_obey_is_killed_in_time():
    stubborn = rank("reporter.when_stopped(lambda: time.sleep(60)); reporter.progress(1, 9); threading.Event().wait()")
    running = Supervised(stubborn)
    running.wait_for("progress")
    begin = time.monotonic()
    running.process.terminate()
    assert running.outcome().code == 128 + signal.SIGTERM
    assert 3 < time.monotonic() - begin < 55, "it would sleep for a minute"


def test_ranks_end_when_their_supervisor_is_killed():
    running = Supervised(rank("print('pid', os.getpid(), flush=True); threading.Event().wait()"))
    pid = _pid(running)
    running.process.kill()
    running.outcome()
    assert _ends(pid)


def test_what_a_rank_has_started_ends_with_it():
    engine = rank("""
import subprocess
worker = subprocess.Popen(["sleep", "1000"])
print("worker", worker.pid, flush=True)
reporter.result({"seconds": 1})
""")
    outcome = supervised(engine)
    assert outcome.code == 0
    worker = int(next(line for line in outcome.output.splitlines() if line.startswith("worker")).split()[1])
    assert _ends(worker)


def test_another_node_reports_nothing_but_errors():
    outcome = supervised(MEASURES, place={"nodes": 2, "node_rank": 1, "address": "node-0", "port": 29500})
    assert outcome.code == 0
    assert outcome.frames == []


def test_another_node_tells_the_cause():
    place = {"nodes": 2, "node_rank": 1, "address": "node-0", "port": 29500}
    outcome = supervised(rank("raise OutOfMemory('CUDA out of memory')"), LOSES_ITS_PEER, place=place, limits=PATIENT)
    assert outcome.error.reason == "OutOfMemory"
    assert outcome.error.message.startswith("rank 2: CUDA out of memory; rank 3: RuntimeError")


def test_a_node_that_only_lost_its_peers_lets_the_others_speak_first():
    place = {"nodes": 2, "node_rank": 0, "address": "node-0", "port": 29500}
    begin = time.monotonic()
    outcome = supervised(LOSES_ITS_PEER, place=place, limits={"peers": 1.5})
    assert time.monotonic() - begin >= 1.5
    assert outcome.error.reason == "PeerLost"
    assert "Connection closed by peer" in outcome.error.message


def test_a_node_that_only_lost_its_peers_is_silent_if_it_is_stopped_meanwhile():
    place = {"nodes": 2, "node_rank": 0, "address": "node-0", "port": 29500}
    lost = rank("print('lost', flush=True); raise RuntimeError('Connection closed by peer')")
    running = Supervised(lost, place=place, limits={"peers": 30.0})
    running.wait_for("lost")
    running.process.terminate()
    outcome = running.outcome()
    assert outcome.code == 128 + signal.SIGTERM
    assert outcome.frames == []


def test_a_stop_counts_while_the_failures_of_the_other_ranks_are_awaited():
    place = {"nodes": 2, "node_rank": 0, "address": "node-0", "port": 29500}
    lost = rank("print('pid', os.getpid(), flush=True); raise RuntimeError('Connection closed by peer')")
    running = Supervised(lost, WAITS, place=place, limits={"settle": SECONDS_TO_END, "peers": 10.0})
    pid = Path("/proc") / str(_pid(running))
    while pid.exists():  # until its end has been noticed
        time.sleep(0.05)
    running.process.terminate()
    outcome = running.outcome()
    assert outcome.code == 128 + signal.SIGTERM
    assert outcome.frames == []


def _pid(running: Supervised) -> int:
    """What a rank said of itself: `pid` and a number."""
    assert running.process.stdout is not None
    return int(next(line for line in running.process.stdout if b"pid" in line).split()[-1])


def _ends(pid: int) -> bool:
    """Whether it ends: who was killed needs a moment of its own for that."""
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.05)
    return not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a file of the kernel
            # A zombie, which nobody has waited for, has ended.
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

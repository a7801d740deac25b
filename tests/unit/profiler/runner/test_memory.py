from __future__ import annotations

from pathlib import Path

from autoscout_profiler.runner.memory import OutOfMemoryWatch, find_events


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_only_kills_from_now_on_count(tmp_path):
    events = write(tmp_path / "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n")
    watch = OutOfMemoryWatch(events)
    assert not watch.killed()
    write(events, "low 0\nhigh 0\nmax 9\noom 4\noom_kill 2\noom_group_kill 1\n")
    assert not watch.killed()
    write(events, "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 1\n")
    assert watch.killed()


def test_a_kernel_that_does_not_say_never_killed(tmp_path):
    events = write(tmp_path / "memory.events", "oom_kill 1\n")
    watch = OutOfMemoryWatch(events)
    events.unlink()
    assert not watch.killed()


def test_a_process_of_a_host_finds_its_own_group(tmp_path):
    own = write(tmp_path / "own", "0::/user.slice/run-7.scope\n")
    events = write(tmp_path / "cgroup/user.slice/run-7.scope/memory.events", "oom_kill 0\n")
    write(tmp_path / "cgroup/memory.events", "oom_kill 0\n")
    assert find_events(tmp_path / "cgroup", own) == events


def test_a_container_finds_its_group_at_the_top_of_its_mount(tmp_path):
    own = write(tmp_path / "own", "0::/kubepods/pod7/c1\n")
    events = write(tmp_path / "cgroup/memory.events", "oom_kill 0\n")
    assert find_events(tmp_path / "cgroup", own) == events


def test_version_1_counts_elsewhere(tmp_path):
    own = write(tmp_path / "own", "9:cpu,cpuacct:/x\n4:memory:/kubepods/c1\n1:name=systemd:/\n0::/\n")
    events = write(tmp_path / "cgroup/memory/kubepods/c1/memory.oom_control", "oom_kill_disable 0\noom_kill 0\n")
    assert find_events(tmp_path / "cgroup", own) == events


def test_no_group_no_file(tmp_path):
    assert find_events(tmp_path / "cgroup", tmp_path / "own") is None

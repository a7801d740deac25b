from __future__ import annotations

import os

import pytest

from autoscout.executors.protocol import ExecutorError
from autoscout.executors.slots import Slot, machine_slots, visible_gpus


@pytest.fixture
def machine(monkeypatch):
    """A machine with as many cores and GPUs as asked for."""

    def make(cores: int, gpus: str | None = None) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if gpus is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)

    return make


def test_the_cores_are_divided_equally_and_the_rest_is_idle(machine):
    machine(5)
    assert machine_slots(1) == (Slot("0", (0, 1, 2, 3, 4)),)
    assert machine_slots(2) == (Slot("0", (0, 1)), Slot("1", (2, 3)))


def test_there_are_never_more_slots_than_cores(machine):
    machine(2)
    assert machine_slots(16) == (Slot("0", (0,)), Slot("1", (1,)))


def test_gpus_are_divided_too_and_limit_the_slots(machine):
    machine(8, "0,3,GPU-7")
    assert machine_slots(4, 1) == (
        Slot("0", (0, 1), ("0",)),
        Slot("1", (2, 3), ("3",)),
        Slot("2", (4, 5), ("GPU-7",)),
    )
    assert machine_slots(4, 2) == (Slot("0", tuple(range(8)), ("0", "3")),)


def test_a_machine_without_the_gpus_is_refused_by_field(machine):
    machine(8, "0")
    with pytest.raises(ExecutorError, match=r"hardware\.pools\[0\]: a profile needs 2 GPU\(s\), this machine shows 1"):
        machine_slots(1, 2)


def test_gpus_are_those_that_cuda_shows_or_the_device_files(machine, tmp_path):
    for name in ("nvidia3", "nvidia7", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    machine(1)
    assert visible_gpus(tmp_path) == ("0", "1")  # CUDA's own numbers, not those of the files
    machine(1, "1")
    assert visible_gpus(tmp_path) == ("1",)
    machine(1, "")
    assert visible_gpus(tmp_path) == ()


def test_slots_overlap_where_they_share_a_core_a_gpu_or_their_name():
    assert Slot("a", (0, 1)).overlaps(Slot("b", (1, 2)))
    assert Slot("a", (), ("0",)).overlaps(Slot("b", (), ("0",)))
    assert Slot("a").overlaps(Slot("a", (3,)))
    assert not Slot("a", (0,), ("0",)).overlaps(Slot("b", (1,), ("1",)))

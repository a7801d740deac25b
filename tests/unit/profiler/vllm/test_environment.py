from __future__ import annotations

from autoscout_profiler.runner.launch import Hardware
from autoscout_profiler.vllm.environment import available_cpus, before_import, before_start
from autoscout_profiler.vllm.memory import tree_peak_bytes
from autoscout_profiler.vllm.settings import Settings

CPU = Settings.read({}, {}, Hardware())
GPU = Settings.read({}, {}, Hardware("H100", 1, 8))


def test_nothing_is_fetched_or_sent():
    assert before_import({})["HF_HUB_OFFLINE"] == "1"
    assert before_import({})["VLLM_NO_USAGE_STATS"] == "1"


def test_a_trial_on_cpus_has_a_cache_and_threads_that_fit():
    variables = before_start(CPU, {"tensor_parallel_size": 2, "data_parallel_size": 2}, {}, cpus=17)
    assert variables["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert variables["OMP_NUM_THREADS"] == "4"
    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert before_start(CPU, {}, {}, cpus=1)["OMP_NUM_THREADS"] == "1"


def test_a_configuration_that_sizes_the_cache_is_left_alone():
    assert "VLLM_CPU_KVCACHE_SPACE" not in before_start(CPU, {"gpu_memory_utilization": 0.2}, {}, cpus=2)


def test_what_the_tuning_job_sets_comes_first():
    given = {"VLLM_CPU_KVCACHE_SPACE": "4", "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "0"}
    assert not given.keys() & (before_import(given) | before_start(CPU, {}, given, cpus=8)).keys()


def test_a_trial_on_gpus_gets_none_of_it():
    assert not [name for name in before_start(GPU, {}, {}, cpus=64) if "CPU" in name or "OMP" in name]


def test_the_quota_of_a_container_bounds_its_cpus(tmp_path):
    quota = tmp_path / "cpu.max"
    unlimited = available_cpus(quota)  # absent
    quota.write_text("max 100000\n")
    assert available_cpus(quota) == unlimited
    quota.write_text("100000 100000\n")
    assert available_cpus(quota) == 1
    quota.write_text("50000 100000\n")
    assert available_cpus(quota) == 1


def test_the_memory_of_a_tree_is_that_of_a_process_and_its_descendants(tmp_path):
    for process, parent, peak in ((10, 1, 100), (11, 10, 20), (12, 11, 3), (99, 1, 5000)):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "status").write_text(f"Name:\tx\nPPid:\t{parent}\nVmHWM:\t{peak} kB\n")
    (tmp_path / "13").mkdir()  # it ended between two looks
    (tmp_path / "meminfo").touch()
    assert tree_peak_bytes(10, tmp_path) == 123 * 1024

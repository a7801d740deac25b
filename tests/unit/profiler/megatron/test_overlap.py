from __future__ import annotations

from tests.unit.profiler.megatron.trials import checked

from autoscout_profiler.megatron.overlap import buffers

TENSOR = {"tp": 2, "sp": True, "tpo": True}


def test_multiprocessors_go_to_the_collectives_that_are_kernels():
    overlapped = buffers(checked(TENSOR | {"tp_comm": 8}, gpu=True, transformer_engine=True))
    assert overlapped["proj_fprop"] == overlapped["qkv_wgrad"] == {"num_sm": 8}
    assert "qkv_fprop" not in overlapped  # it passes chunks around by copy engines


def test_transformer_engine_decides_where_nothing_is_said():
    assert buffers(checked(TENSOR, gpu=True, transformer_engine=True)) == {}

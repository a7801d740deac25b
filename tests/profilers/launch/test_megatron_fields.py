"""The arguments that we write mean in megatron-core what the profiler measured: the fields of its configurations."""

from __future__ import annotations

from dataclasses import fields

import pytest
from tests.support.launches import EXPERTS, TINY, TRAINING
from tests.support.megatron_arguments import parser

from autoscout.launch.megatron import SCRIPT, program
from autoscout_profiler.megatron.device import Cpu
from autoscout_profiler.megatron.settings import read

CPU = {"gpu": None, "nodes": 1, "gpusPerNode": 0}
WORKLOAD = TRAINING | {"precision": "bf16", "sequenceLength": 128}
CONFIGURATIONS = {
    "default": {},
    "tensor": {"tp": 2, "sp": True},
    "pipeline": {"pp": 2, "vpp": 2},
    "context": {"cp": 2},
    "selective": {"ar": "selective"},
    "full": {"ar": "full", "recompute_method": "block", "recompute_num_layers": 2},
    "optimizer": {"dp": 2, "zero1": True, "dpo": True, "overlap_param_gather": True, "ddp_bucket": 2},
    "bf16 gradients": {"dp": 2, "grad_fp32": False},
}
TRAINING_ONLY = {
    *("micro_batch_size", "global_batch_size", "seq_length", "max_position_embeddings", "position_embedding_type"),
    *("group_query_attention", "swiglu", "untie_embeddings_and_output_weights", "num_virtual_stages_per_pipeline_rank"),
    *("ddp_num_buckets", "ddp_bucket_size", "grad_reduce_in_bf16", "accumulate_allreduce_grads_in_fp32", "fp8_format"),
    *("mock_data", "data_path", "split", "tokenizer_type", "vocab_size", "finetune", "tp_comm_overlap_cfg"),
    *("train_iters", "eval_iters", "log_interval", "log_throughput", "distributed_backend", "num_experts"),
}
"""Arguments that pretrain_gpt.py itself uses, or that have another name in megatron-core."""


@pytest.fixture(scope="module")
def device():
    return Cpu()


def settings_and_arguments(configuration, shape):
    workload = WORKLOAD | {"model": {"architecture": shape}}
    found = program(configuration, workload, CPU)
    words = [word for group in found.groups for word in group]
    world = int(words[words.index("--nproc-per-node") + 1])
    settings = read(configuration, workload, world=world, default_precision="fp32")
    return settings, parser().parse_args(words[words.index(SCRIPT) + 1 :])


@pytest.mark.parametrize(
    "shape", [TINY, EXPERTS, EXPERTS | {"expertsPerToken": 1}], ids=["dense", "experts", "one expert a token"]
)
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_the_arguments_make_the_configuration_that_was_measured(case, shape, device):
    from autoscout_profiler.megatron.model import configuration

    settings, arguments = settings_and_arguments(CONFIGURATIONS[case], shape)
    measured = configuration(settings, device)
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    # Set by Megatron-LM from other arguments.
    given["num_moe_experts"] = arguments.num_experts
    given["gated_linear_unit"] = arguments.swiglu
    given["virtual_pipeline_model_parallel_size"] = arguments.num_virtual_stages_per_pipeline_rank
    given["overlap_p2p_comm"] = (
        arguments.overlap_p2p_comm and arguments.num_virtual_stages_per_pipeline_rank is not None
    )
    # The profiler chooses the layers itself, and this field only chooses them for Megatron-LM.
    names = {field.name for field in fields(measured)} - {"transformer_impl"}
    compared = {name: value for name, value in given.items() if name in names}
    assert len(compared) > 15
    assert {name: getattr(measured, name) for name in compared} == compared


def test_every_argument_has_its_place():
    from megatron.core.distributed import DistributedDataParallelConfig
    from megatron.core.optimizer import OptimizerConfig
    from megatron.core.transformer.transformer_config import TransformerConfig

    configurations = (TransformerConfig, DistributedDataParallelConfig, OptimizerConfig)
    known = {field.name for each in configurations for field in fields(each)} | TRAINING_ONLY
    assert {action.dest for action in parser()._actions} - {"help"} <= known


@pytest.mark.parametrize("case", ["optimizer", "bf16 gradients"])
def test_buckets_and_gradients_are_those_of_the_measurement(case):
    settings, arguments = settings_and_arguments(CONFIGURATIONS[case], TINY)
    assert arguments.grad_reduce_in_bf16 is not settings.gradients.fp32
    assert arguments.ddp_bucket_size == settings.gradients.bucket_elements(10**9)
    assert arguments.overlap_grad_reduce is settings.gradients.overlap
    assert arguments.use_distributed_optimizer is settings.gradients.sharded


def test_the_vocabulary_is_padded_to_the_same_size(device):
    from megatron.core.tokenizers.text.libraries.null_tokenizer import NullTokenizer

    settings, arguments = settings_and_arguments({"tp": 2}, TINY | {"vocabSize": 513})
    assert NullTokenizer(arguments.vocab_size).vocab_size == 513
    assert settings.padded_vocabulary == 768

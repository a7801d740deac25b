from __future__ import annotations

from typing import Any

import pytest
from tests.unit.profiler.megatron.trials import EXPERTS, SHAPE, read, workload

from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.settings import Gradients, Layout
from autoscout_profiler.megatron.shape import Adapters


def test_data_parallelism_takes_the_ranks_that_no_other_degree_uses():
    trial = read({"tp": 2, "pp": 2, "mbs": 2}, world=16)
    assert trial.layout == Layout(tensor=2, pipeline=2, data=4, expert_tensor=2)
    assert trial.layout.world == 16
    assert trial.micro_batches == 2


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"tp": 3}, "tp, pp, cp: 3 x 1 x 1 = 3 does not divide the 8 ranks"),
        ({"tp": 2, "dp": 8}, "dp: .* = 16, but there are 8 ranks: leave dp out, or set 4"),
        ({"recompute_num_layers": 2}, "recompute_num_layers: acts only where ar is full, and it is none"),
        ({"moe_dispatcher": "alltoall"}, "moe_dispatcher: acts only where the model has experts"),
        ({"ddp": 4}, "ddp: Megatron makes one bucket unless dpo"),
        ({"dpo": True, "ddp": 4, "ddp_bucket": 25}, "ddp: says the same as ddp_bucket"),
        ({"dpo": True, "bucketing": "count", "ddp_bucket": 25}, "bucketing: count goes with ddp, given is ddp_bucket"),
        ({"dpo": True, "bucketing": "size"}, "bucketing: size goes with ddp_bucket, given is none of ddp"),
        ({"dpo": True, "bucketing": "auto", "ddp": 4}, "bucketing: auto goes with none of .*, given is ddp"),
    ],
)
def test_degrees_that_do_not_fit_and_knobs_that_would_do_nothing_are_refused(
    configuration: dict[str, Any], message: str
):
    with pytest.raises(InvalidConfiguration, match=message):
        read(configuration)


@pytest.mark.parametrize(
    ("gradients", "elements"),
    [
        (Gradients(), None),
        (Gradients(buckets=3), 334),
        (Gradients(megabytes=4, fp32=True), 1_000_000),
        (Gradients(megabytes=4, fp32=False), 2_000_000),
        (Gradients(elements=77), 77),
    ],
)
def test_the_three_ways_to_say_how_large_a_bucket_is(gradients: Gradients, elements: int | None):
    assert gradients.bucket_elements(1000) == elements


def test_buckets_are_read_with_the_word_that_says_which_knob_is_there():
    assert read({"dpo": 1, "bucketing": "count", "ddp": 4}).gradients.buckets == 4
    assert read({"dpo": 1, "bucketing": "size", "ddp_bucket": "0.5"}).gradients.megabytes == 0.5
    assert read({"dpo": 1, "bucketing": "auto"}).gradients == Gradients(overlap=True)


def test_gradients_are_kept_in_single_precision_unless_told_otherwise():
    half = workload(precision="bf16")
    assert read({}, half).gradients.fp32
    assert not read({"grad_fp32": False}, half).gradients.fp32
    assert not read({}, workload(precision="fp16")).gradients.fp32
    assert read({"grad_fp32": False}, workload(precision="fp32")).gradients.fp32


def test_the_vocabulary_is_padded_as_megatron_does_it():
    assert read({}).padded_vocabulary == 1024
    assert read({"tp": 4}).padded_vocabulary == 1024
    assert read({"tp": 8}, workload(shape={"vocabSize": 50257})).padded_vocabulary == 51200


def test_sizes_that_are_left_out_have_the_defaults_of_their_kind():
    plain = {name: value for name, value in SHAPE.items() if name not in ("ffnHiddenSize", "queryGroups")}
    gated = read({}, workload() | {"model": {"architecture": plain}}).architecture
    assert (gated.ffn, gated.groups, gated.head, gated.gated, gated.rms) == (768, 8, 32, True, True)
    older = read(
        {}, workload() | {"model": {"architecture": plain | {"activation": "gelu", "normalization": "layernorm"}}}
    )
    assert (older.architecture.ffn, older.architecture.gated, older.architecture.rms) == (1024, False, False)


def test_experts_share_what_a_dense_layer_has_unless_told_otherwise():
    model = read({}, workload(shape={"experts": 8})).architecture
    assert (model.experts_per_token, model.expert_ffn, model.shared_ffn) == (1, 512, 0)
    model = read({}, workload(shape=EXPERTS | {"sharedExpertFfnHiddenSize": 64})).architecture
    assert (model.experts_per_token, model.expert_ffn, model.shared_ffn) == (2, 128, 64)


@pytest.mark.parametrize("missing", ["layers", "hiddenSize", "attentionHeads", "vocabSize"])
def test_a_model_without_its_sizes_is_refused(missing: str):
    given = workload()
    del given["model"]["architecture"][missing]
    with pytest.raises(InvalidConfiguration, match=f"workload.model.architecture.{missing}: is missing"):
        read({}, given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"globalBatchSize": None}, "workload.globalBatchSize: is missing"),
        ({"sequenceLength": "long"}, "workload.sequenceLength: 'long' is no whole number"),
        ({"precision": "int8"}, "workload.precision: 'int8' is not one of fp32, bf16, fp16, fp8"),
        ({"task": "inference"}, "workload.task: .* vllm"),
    ],
)
def test_a_workload_of_another_kind_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(InvalidConfiguration, match=message):
        read({}, workload() | change)


def test_fine_tuning_packs_samples_unless_told_otherwise():
    task = read({}, workload("fine-tuning")).task
    assert (task.samples, task.packed, task.adapters) == (True, True, None)
    task = read({}, workload("fine-tuning", fineTuning={"method": "full", "packed": False})).task
    assert (task.samples, task.packed) == (True, False)
    assert not read({}).task.samples


def test_adapters_have_the_defaults_of_the_api():
    task = read({}, workload("fine-tuning", fineTuning={"method": "lora"})).task
    assert task.adapters == Adapters(16, 32, ("qkv", "proj", "fc1", "fc2"))
    given = {"method": "lora", "loraRank": 8, "loraAlpha": 8, "loraTargets": ["qkv"]}
    assert read({}, workload("fine-tuning", fineTuning=given)).task.adapters == Adapters(8, 8, ("qkv",))
    with pytest.raises(InvalidConfiguration, match="loraTargets: 'fc3' is not one of"):
        read({}, workload("fine-tuning", fineTuning=given | {"loraTargets": ["fc3"]}))


def test_the_device_decides_where_the_workload_names_no_precision():
    assert read({}).precision == "fp32"
    assert read({}, workload(precision="bf16")).precision == "bf16"

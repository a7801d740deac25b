"""The Megatron preset: Table 1 of the paper and beyond, as far as Megatron-LM takes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.space.presets.targets import GIB, NODE, ROUTED, TRAINING, breaks, space

from autoscout.simulators.knobs import ALIASES
from autoscout.space.parameter import Kind
from autoscout.space.presets.draft import Override

EIGHT = space("megatron", TRAINING)
MANY = space("megatron", ROUTED)


def values(found, name):
    return found.by_name[name].values


def test_eight_gpus_have_the_ranges_of_table_1():
    for degree in ("tp", "pp", "cp", "dp", "mbs"):
        assert values(EIGHT, degree) == (1, 2, 4, 8)
    assert values(MANY, "ep") == (1, 2, 4, 8)
    assert values(EIGHT, "sp") == (False, True)
    assert values(EIGHT, "ddp") == tuple(range(1, 9))
    assert values(EIGHT, "tp_comm") == tuple(range(12, 21))
    assert values(EIGHT, "ddp_bucket") == tuple(range(1, 9))


def test_every_name_is_in_the_vocabulary_of_knobs():
    assert set(EIGHT.by_name) | set(MANY.by_name) <= set(ALIASES)


def test_choices_are_structural_and_grids_are_execution():
    execution = {name for name, parameter in MANY.by_name.items() if parameter.kind is Kind.EXECUTION}
    assert execution == {"recompute_num_layers", "mbs", "vpp", "ddp", "ddp_bucket", "tp_comm"}


def test_every_parameter_says_what_it_does():
    assert all(parameter.description for parameter in MANY.by_name.values())


def test_experts_bring_their_knobs_and_a_dense_model_has_none():
    assert {"ep", "etp", "moe_dispatcher"} <= set(MANY.by_name)
    assert not {"ep", "etp", "moe_dispatcher"} & set(EIGHT.by_name)


def test_data_parallelism_reaches_over_the_whole_pool_and_tensor_parallelism_over_a_node():
    found = space("megatron", replace(TRAINING, gpus=replace(NODE, nodes=4, per_node=4)))
    assert values(found, "dp") == (1, 2, 4, 8, 16)
    assert values(found, "tp") == (1, 2, 4)
    assert all(each["tp"] * each["pp"] * each["cp"] * each["dp"] == 16 for each in found.enumerate({"mbs": 1}))


def test_pools_that_are_no_power_of_two_are_divided_too():
    found = space("megatron", replace(TRAINING, global_batch=72, gpus=replace(NODE, nodes=3, per_node=4)))
    assert values(found, "dp") == (1, 2, 3, 4, 6, 12)
    assert found.count() > 0


def test_deep_pipelines_are_there_only_for_models_that_need_them():
    huge = replace(TRAINING.model, layers=128, heads=128, dense_parameters=1_000_000_000_000)
    pool = replace(NODE, nodes=128)
    assert max(values(space("megatron", replace(TRAINING, gpus=pool)), "pp")) == 8
    assert max(values(space("megatron", replace(TRAINING, model=huge, gpus=pool, global_batch=1024)), "pp")) == 16


def test_many_gpus_try_a_few_large_numbers_of_buckets():
    found = space("megatron", replace(TRAINING, gpus=replace(NODE, nodes=64), global_batch=1024))
    assert values(found, "ddp") == (*range(1, 65), 128, 256, 512)


@pytest.mark.parametrize(
    ("target", "broken"),
    [
        (TRAINING, {"tp": 4, "dp": 4}),  # 16 of 8 GPUs
        (replace(TRAINING, model=replace(TRAINING.model, heads=28, groups=4)), {"tp": 8, "dp": 1}),
        (replace(TRAINING, model=replace(TRAINING.model, groups=3)), {"tp": 2, "dp": 4}),
        (replace(TRAINING, model=replace(TRAINING.model, ffn=10)), {"tp": 4, "dp": 2}),
        (replace(TRAINING, model=replace(TRAINING.model, layers=30)), {"pp": 4, "tp": 2, "dp": 1}),
        (replace(TRAINING, global_batch=24), {"tp": 1, "dp": 8, "mbs": 4}),
        (replace(TRAINING, sequence=4098), {"cp": 4, "tp": 1, "dp": 2}),
        (replace(TRAINING, sequence=4098), {"tp": 4, "dp": 2, "sp": True}),
        (replace(TRAINING, model=replace(TRAINING.model, layers=40)), {"tp": 1, "pp": 4, "dp": 2, "vpp": 8}),
        (replace(TRAINING, global_batch=12), {"tp": 1, "pp": 4, "dp": 2, "vpp": 2, "mbs": 1}),  # 6 % 4 micro-batches
        (TRAINING, {"tp": 1, "pp": 2, "dp": 4, "vpp": 2, "overlap_p2p": False}),
        (TRAINING, {"ar": "full", "recompute_method": "uniform", "recompute_num_layers": 32, "pp": 2, "dp": 2}),
        (TRAINING, {"ar": "full", "recompute_method": "block", "recompute_num_layers": 32, "pp": 4, "dp": 1}),
        (TRAINING, {"tp": 1, "pp": 1, "dp": 8, "zero1": False}),  # 144 GB of states
        (ROUTED, {"ep": 8, "etp": 8, "tp": 1, "pp": 8, "cp": 1, "dp": 8}),  # 64 ranks of experts, a stage has 8
        (replace(ROUTED, model=replace(ROUTED.model, experts=60)), {"ep": 8}),
        (replace(ROUTED, model=replace(ROUTED.model, ffn=1404)), {"etp": 8, "ep": 1, "dp": 64, "tp": 1}),
        (ROUTED, {"tp": 2, "dp": 32, "sp": False}),
    ],
)
def test_what_megatron_does_not_take_is_not_in_the_space(target, broken):
    found = space("megatron", target)
    assert breaks(found, **broken).startswith("constraints[")


@pytest.mark.parametrize(
    "given",
    [
        {"tp": 2, "pp": 2, "cp": 2, "dp": 1},
        {"tp": 1, "pp": 2, "dp": 4, "vpp": 2, "overlap_p2p": True},
        {"tp": 1, "pp": 4, "dp": 2, "vpp": 2, "overlap_p2p": False},
        {"tp": 2, "dp": 4, "sp": False},
        {"ar": "full", "recompute_method": "block", "recompute_num_layers": 8},
        {"bucketing": "count", "ddp": 7},
        {"bucketing": "size", "ddp_bucket": 3},
        {"tp": 2, "dp": 4, "tpo": True, "tp_comm": 20},
    ],
)
def test_what_megatron_takes_is_in_the_space(given):
    assert breaks(EIGHT, **given) == ""


def test_key_value_heads_may_be_copied():
    assert breaks(MANY, tp=8, pp=1, cp=1, dp=8, ep=8) == ""


@pytest.mark.parametrize(
    ("given", "inactive"),
    [
        ({"tp": 1, "dp": 8}, {"sp", "tpo", "tp_comm"}),
        ({"tp": 8, "dp": 1}, {"zero1", "dpo", "overlap_param_gather", "bucketing", "ddp", "ddp_bucket"}),
        ({"tp": 4, "dp": 1, "cp": 2}, {"bucketing", "ddp", "ddp_bucket"}),
        ({"tp": 2, "dp": 4, "zero1": False}, {"overlap_param_gather"}),
        ({"tp": 2, "dp": 4, "dpo": False}, {"overlap_param_gather", "bucketing", "ddp", "ddp_bucket"}),
        ({"ar": "selective"}, {"recompute_method", "recompute_num_layers"}),
        ({"tp": 2, "dp": 4, "pp": 1}, {"vpp", "overlap_p2p"}),
        ({"tp": 2, "dp": 4, "sp": False}, {"tpo", "tp_comm"}),
    ],
)
def test_knobs_that_would_be_ignored_are_not_there(given, inactive):
    found = EIGHT.canonical(EIGHT.full_values(EIGHT.default()) | given)
    assert not inactive & set(found)


def test_no_configuration_says_number_and_size_of_the_buckets():
    for how, present in (("auto", set()), ("count", {"ddp"}), ("size", {"ddp_bucket"})):
        found = next(EIGHT.enumerate({"bucketing": how, "dp": 8, "dpo": True, "zero1": True}))
        assert {"ddp", "ddp_bucket"} & set(found) == present


def test_the_default_is_the_least_division_that_holds_the_model():
    roomy = space("megatron", replace(TRAINING, gpus=replace(NODE, memory=200 * GIB))).default()
    tight = space("megatron", replace(TRAINING, gpus=replace(NODE, memory=40 * GIB))).default()
    assert (roomy["tp"], roomy["pp"], roomy["dp"]) == (1, 1, 8)
    assert tight["tp"] > 1
    assert (tight["pp"], tight["ar"], tight["mbs"]) == (1, "none", 1)


def test_a_small_global_batch_leaves_fewer_replicas_by_default():
    assert space("megatron", replace(TRAINING, global_batch=2)).default()["dp"] == 2


def test_adapters_need_no_memory_for_the_states_of_frozen_weights():
    trained, frozen = space("megatron", TRAINING), space("megatron", replace(TRAINING, frozen=True))
    assert breaks(trained, tp=1, pp=1, dp=8, zero1=False)
    assert not breaks(frozen, tp=1, pp=1, dp=8, zero1=False)


def test_without_known_memory_nothing_is_cut_for_it():
    assert not breaks(space("megatron", replace(TRAINING, gpus=replace(NODE, memory=None))), tp=1, dp=8, zero1=False)


def test_a_job_may_fix_a_degree_and_the_default_follows():
    found = space("megatron", TRAINING, Override("parameters[0]", "pp", values=(4,)))
    assert found.default()["pp"] == 4
    assert found.count() == EIGHT.count({"pp": 4})

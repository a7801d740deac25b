"""Whatever the model and the GPUs: what a preset offers, the framework takes. The rules are written again here, in
Python, as megatron-core 0.16 and vLLM 0.32 check them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autoscout.space.parameter import SpaceError
from autoscout.space.presets import PRESETS
from autoscout.space.presets.defaults import with_expert_defaults
from autoscout.space.presets.target import Gpus, Model, Target
from autoscout.space.search_space import SearchSpace

SMALL = 10**9


@st.composite
def models(draw: st.DrawFn) -> Model:
    groups = draw(st.sampled_from([1, 2, 3, 4, 8]))
    experts = draw(st.sampled_from([1, 1, 8, 60, 64]))
    return Model(
        layers=draw(st.integers(1, 100)),
        heads=groups * draw(st.sampled_from([1, 2, 4, 7, 8])),
        groups=groups,
        ffn=draw(st.sampled_from([1, 6, 768, 1408, 11_008, 14_336])),
        experts=experts,
        cache_width=256 * groups,
        dense_parameters=draw(st.integers(SMALL, 70 * SMALL)),
        expert_parameters=0 if experts == 1 else draw(st.integers(SMALL, 200 * SMALL)),
        shared=0 if experts == 1 else draw(st.sampled_from([0, 5632, 1404])),
    )


@st.composite
def targets(draw: st.DrawFn, *, training: bool) -> Target:
    return Target(
        model=draw(models()),
        gpus=Gpus(
            nodes=draw(st.sampled_from([1, 1, 2, 3, 8])),
            per_node=draw(st.sampled_from([1, 2, 4, 6, 8])),
            memory=draw(st.sampled_from([None, 16 * 2**30, 40 * 2**30, 80 * 2**30])),
            fp8=draw(st.booleans()),
            ample=draw(st.booleans()),
        ),
        sequence=draw(st.sampled_from([127, 1000, 2048, 4096, 8192])),
        global_batch=draw(st.sampled_from([1, 6, 32, 96, 512])) if training else 0,
        precision=draw(st.sampled_from(["bf16", "fp16", "fp32"])),
        frozen=draw(st.booleans()),
        packed=draw(st.booleans()),
        whole_experts=draw(st.booleans()),
        offline=draw(st.booleans()),
    )


def derived(preset: str, target: Target) -> SearchSpace:
    draft = PRESETS[preset](target)
    space = SearchSpace(draft.parameters, tuple(rule.expression for rule in draft.rules))
    return with_expert_defaults(draft, space, [])


def drawn(space: SearchSpace, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [dict(space.sample(rng)) for _ in range(20)]


def check_megatron(values: dict, target: Target) -> None:
    """As `ModelParallelConfig`, `TransformerConfig`, `parallel_state` and the schedules do."""
    model, gpus = target.model, target.gpus
    tp, pp, cp, dp = (values[name] for name in ("tp", "pp", "cp", "dp"))
    vpp = values.get("vpp", 1)
    world = gpus.nodes * gpus.per_node
    assert tp * pp * cp * dp == world
    assert tp <= gpus.per_node
    assert gpus.per_node % tp == 0
    assert model.heads % tp == 0
    assert model.groups % tp == 0 or tp % model.groups == 0
    assert model.layers % (pp * vpp) == 0
    if vpp > 1:
        assert pp > 1
        assert (target.global_batch // (values["mbs"] * dp)) % pp == 0
        assert pp > 2 or values["overlap_p2p"]
    assert ("overlap_p2p" in values) == (vpp > 1)
    assert target.global_batch % (values["mbs"] * dp) == 0
    if cp > 1:
        assert not target.packed
        assert target.sequence % (2 * cp) == 0
    if "sp" in values:
        assert tp > 1
        assert not values["sp"] or target.sequence // cp % tp == 0
    if model.experts > 1:
        ep, etp = values["ep"], values["etp"]
        assert model.experts % ep == 0
        assert model.ffn % etp == 0
        assert world % (etp * ep * pp) == 0
        assert ep > 1 or etp == tp
        assert model.shared == 0 or model.shared % tp == 0
        assert etp == 1 or not target.whole_experts
        assert tp == 1 or values["sp"]
        assert ("moe_dispatcher" in values) == (ep * etp > 1)
    else:
        assert not {"ep", "etp", "moe_dispatcher"} & values.keys()
        assert model.ffn % tp == 0
    check_recomputation(values, model.layers // (pp * vpp))
    check_gradients(values, dp, cp)
    assert ("tpo" in values) == values.get("sp", False)
    assert ("tp_comm" in values) == values.get("tpo", False)
    if "tp_comm" in values:
        assert 12 <= values["tp_comm"] <= 20


def check_recomputation(values: dict, layers: int) -> None:
    if values["ar"] != "full":
        assert not {"recompute_method", "recompute_num_layers"} & values.keys()
    elif values["recompute_method"] == "uniform":
        assert layers % values["recompute_num_layers"] == 0
    else:
        assert values["recompute_num_layers"] <= layers


def check_gradients(values: dict, dp: int, cp: int) -> None:
    assert ("zero1" in values) == ("dpo" in values) == (dp * cp > 1)
    assert ("overlap_param_gather" in values) == bool(values.get("zero1") and values.get("dpo"))
    assert ("bucketing" in values) == bool(dp > 1 and values.get("dpo"))
    assert ("ddp" in values) == (values.get("bucketing") == "count")
    assert ("ddp_bucket" in values) == (values.get("bucketing") == "size")


def check_states(values: dict, target: Target) -> None:
    """No GPU's share of weights, gradients and optimizer states exceeds its memory, if the stages were equal."""
    if target.gpus.memory is None:
        return
    model = target.model
    resident, states = {"fp32": (8, 8), "fp16": (4, 12)}.get(target.precision, (6, 12))
    if target.frozen:
        resident, states = 2, 0
    tp, pp, cp, dp, ep, etp = (values.get(name, 1) for name in ("tp", "pp", "cp", "dp", "ep", "etp"))
    sharded = values.get("zero1", True)
    dense = model.dense_parameters / (tp * pp) * (resident + states / (dp * cp if sharded else 1))
    replicas = max(1, tp * cp * dp / (ep * etp)) if sharded else 1
    routed = model.expert_parameters / (ep * etp * pp) * (resident + states / replicas)
    assert dense + routed <= target.gpus.memory * 1.001


def check_vllm(values: dict, target: Target) -> None:
    """As `ModelConfig.verify_with_parallel_config` and `SchedulerConfig` do."""
    model, gpus = target.model, target.gpus
    tp, pp, dp = values["tp"], values["pp"], values["dp"]
    assert tp * pp * dp == gpus.nodes * gpus.per_node
    assert gpus.per_node % tp == 0
    assert model.heads % tp == 0
    assert model.groups % tp == 0 or tp % model.groups == 0
    assert pp <= model.layers
    assert model.ffn % tp == 0 or values.get("enable_expert_parallel")
    assert ("enable_expert_parallel" in values) == (model.experts > 1 and tp * dp > 1)
    assert values["max_num_seqs"] <= values["max_num_batched_tokens"]
    if values["enable_chunked_prefill"]:
        assert values["long_prefill_token_threshold"] <= target.sequence
    else:
        assert values["max_num_batched_tokens"] >= target.sequence
        assert "long_prefill_token_threshold" not in values
    assert ("async_scheduling" in values) == (pp == 1)
    assert ("max_cudagraph_capture_size" in values) == (not values["enforce_eager"])
    assert ("kv_cache_dtype" in values) == gpus.fp8
    if gpus.memory is not None:
        width = 4 if target.precision == "fp32" else 2
        ranks = tp * dp if values.get("enable_expert_parallel") else tp
        held = width * (model.dense_parameters / (tp * pp) + model.expert_parameters / (ranks * pp))
        assert held <= gpus.memory * values["gpu_memory_utilization"] * 1.001


@settings(max_examples=150, deadline=None)
@given(targets(training=True), st.integers(0, 2**32))
def test_megatron_takes_whatever_its_preset_offers(target: Target, seed: int):
    space = derived("megatron", target)
    assume(space.count() > 0)
    for values in [dict(space.default()), *drawn(space, seed)]:
        check_megatron(values, target)
        check_states(values, target)


@settings(max_examples=150, deadline=None)
@given(targets(training=False), st.integers(0, 2**32))
def test_vllm_takes_whatever_its_preset_offers(target: Target, seed: int):
    space = derived("vllm", target)
    assume(space.count() > 0)
    for values in [dict(space.default()), *drawn(space, seed)]:
        check_vllm(values, target)


@settings(max_examples=60, deadline=None)
@given(targets(training=True))
def test_more_memory_only_adds_configurations(target: Target):
    assume(target.gpus.memory is not None)
    roomier = replace(target, gpus=replace(target.gpus, memory=2 * target.gpus.memory))
    # The degrees on offer are those of the smaller GPU, which may need deeper pipelines.
    tight, wide = derived("megatron", target), PRESETS["megatron"](roomier)
    space = SearchSpace(tight.parameters, tuple(rule.expression for rule in wide.rules))
    assert tight.count() <= space.count()


@settings(max_examples=60, deadline=None)
@given(targets(training=True), st.data())
def test_a_space_with_a_configuration_has_a_default(target: Target, data: st.DataObject):
    preset = data.draw(st.sampled_from(sorted(PRESETS)))
    space = derived(preset, target)
    try:
        space.default()
    except SpaceError:
        assert space.count() == 0

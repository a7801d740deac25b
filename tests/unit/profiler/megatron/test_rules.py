from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.profiler.megatron.trials import EXPERTS, checked, workload

from autoscout_profiler.errors import InvalidConfiguration

MOE = workload(shape=EXPERTS)
LORA = {"method": "lora", "loraRank": 4}


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"tp": 4, "sp": True, "mbs": 2},
        {"tp": 8, "sp": False},
        {"pp": 2, "vpp": 2},
        {"pp": 4, "vpp": 2, "overlap_p2p": False},
        {"cp": 4},
        {"ar": "full", "recompute_method": "block", "recompute_num_layers": 3},
        {"ar": "selective", "zero1": True, "dpo": True, "overlap_param_gather": True, "ddp": 4},
        {"tp": 1, "sp": False, "vpp": 1, "ep": 1, "tp_comm": 0, "tpo": False, "overlap_p2p": False, "pool": "a100"},
    ],
)
def test_what_megatron_computes_is_accepted(configuration: dict[str, Any]):
    checked(configuration)


@pytest.mark.parametrize(
    ("configuration", "world", "message"),
    [
        ({"mbs": 3}, 8, "mbs: globalBatchSize 16 is no multiple of mbs x dp = 3 x 8"),
        ({"tp": 16}, 16, "tp: attentionHeads 8 is no multiple of tp 16"),
        ({"sp": True}, 8, "sp: .* needs tp > 1"),
        ({"pp": 16}, 16, "pp: 8 layers are no multiple of pp 16"),
        ({"vpp": 2}, 8, "vpp: virtual stages need pp > 1"),
        ({"pp": 4, "vpp": 4}, 8, "vpp: 8 layers are no multiple of pp x vpp = 4 x 4"),
        ({"pp": 8, "overlap_p2p": True}, 8, "overlap_p2p: acts only with virtual stages"),
        ({"pp": 4, "vpp": 2, "mbs": 2, "dp": 4}, 16, "vpp: 2 micro-batches are no multiple of pp 4"),
        ({"ep": 2}, 8, "ep: the model has no experts"),
        ({"etp": 2}, 8, "etp: the model has no experts"),
        ({"overlap_param_gather": True, "zero1": True}, 8, "overlap_param_gather: needs zero1 .* and dpo"),
        ({"ar": "full", "recompute_num_layers": 9}, 8, "recompute_num_layers: 9 of 8 layers of a stage"),
        ({"ar": "full", "recompute_num_layers": 3}, 8, "recompute_num_layers: 8 layers .* are no multiple of 3"),
        ({"cp": 3}, 6, "cp: sequenceLength 64 is no multiple of 2 cp = 6"),
        ({"tp": 2, "tp_comm": 4}, 8, "tp_comm: .* act only with tpo"),
        ({"tp": 2, "tpo": True}, 8, "tpo: .* set sp"),
    ],
)
def test_what_megatron_refuses_is_refused_in_words(configuration: dict[str, Any], world: int, message: str):
    with pytest.raises(InvalidConfiguration, match=f"^{message}"):
        checked(configuration, world=world)


def test_the_pipeline_that_trains_wrongly_without_an_error_is_refused():
    with pytest.raises(InvalidConfiguration, match=r"overlap_p2p: with pp = 2 and vpp > 1 .* trains wrongly"):
        checked({"pp": 2, "vpp": 2, "overlap_p2p": False})
    checked({"pp": 4, "vpp": 2, "overlap_p2p": False})


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"tp": 2, "sp": True, "tpo": True}, "tpo: Megatron accepts it without Transformer Engine"),
        ({"tp": 2, "sp": True, "tpo": True, "tp_comm": 8}, "tpo: Megatron accepts it without Transformer Engine"),
    ],
)
def test_a_knob_that_would_be_accepted_and_ignored_is_refused(configuration: dict[str, Any], message: str):
    for gpu in (False, True):
        with pytest.raises(InvalidConfiguration, match=message):
            checked(configuration, gpu=gpu)
    checked(configuration, gpu=True, transformer_engine=True)


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"ep": 3}, "ep: 8 experts are no multiple of ep 3"),
        ({"tp": 2, "ep": 2, "etp": 1}, "sp: Megatron trains experts with tp > 1 only if"),
        ({"tp": 2, "sp": True, "etp": 1}, "etp: with ep = 1 the experts' gradients are not summed over tp"),
        ({"pp": 2, "ep": 8}, "ep: ep x etp x pp = 8 x 1 x 2 does not divide 8 ranks"),
        ({"tp": 2, "sp": True, "ep": 2}, "etp: on CPUs .gloo. ranks can't gather unequally many tokens"),
    ],
)
def test_experts_that_can_not_be_spread_like_that_are_refused(configuration: dict[str, Any], message: str):
    with pytest.raises(InvalidConfiguration, match=f"^{message}"):
        checked(configuration, MOE)


def test_experts_may_be_spread_over_ranks_that_share_everything_else():
    checked({"tp": 2, "sp": True, "ep": 4, "etp": 1, "moe_dispatcher": "allgather"}, MOE)
    checked({"tp": 2, "sp": True, "ep": 2}, MOE, gpu=True, transformer_engine=True)


@pytest.mark.parametrize(
    ("work", "configuration", "gpu", "message"),
    [
        (workload(precision="fp8"), {}, True, "workload.precision: fp8 needs Transformer Engine"),
        (
            workload(shape={"kind": "vision-language", "imageTokens": 64}),
            {},
            False,
            "workload.model.architecture.imageTokens: 64 of 64 positions leave none for text",
        ),
        (
            workload("fine-tuning", shape={"kind": "vision-language", "imageTokens": 8}),
            {},
            False,
            "workload.model.architecture.kind",
        ),
        (
            workload("fine-tuning", shape=EXPERTS, fineTuning=LORA),
            {"tp": 2, "sp": True},
            False,
            "etp: adapters of experts are not split",
        ),
        (workload(shape={"queryGroups": 3}), {}, False, "workload.model.architecture.queryGroups: 3 does not divide 8"),
    ],
)
def test_workloads_that_are_not_measured_are_refused(
    work: dict[str, Any], configuration: dict, gpu: bool, message: str
):
    with pytest.raises(InvalidConfiguration, match=f"^{message}"):
        checked(configuration, work, gpu=gpu)


def test_packed_samples_are_split_over_context_ranks_by_our_own_attention_only():
    work = workload("fine-tuning")
    checked({"cp": 2}, work)
    with pytest.raises(InvalidConfiguration, match="cp: packed samples are not split"):
        checked({"cp": 2}, work, gpu=True, transformer_engine=True)


def test_query_groups_may_be_fewer_than_the_tensor_parallel_ranks():
    checked({"tp": 8}, workload(shape={"queryGroups": 2}))
    with pytest.raises(InvalidConfiguration, match="tp: queryGroups 6 is neither a multiple nor a divisor of tp 4"):
        checked({"tp": 4}, workload(shape={"attentionHeads": 24, "hiddenSize": 240, "queryGroups": 6}))


@given(
    st.fixed_dictionaries(
        {
            "tp": st.sampled_from([1, 2, 4, 8, 16]),
            "pp": st.sampled_from([1, 2, 3, 4, 8]),
            "cp": st.sampled_from([1, 2, 4]),
            "vpp": st.sampled_from([1, 2, 4]),
            "mbs": st.integers(1, 5),
            "sp": st.booleans(),
        }
    )
)
def test_what_passes_divides_the_work_without_a_rest(configuration: dict[str, Any]):
    try:
        trial = checked(configuration, world=64)
    except InvalidConfiguration:
        return
    layout, model = trial.layout, trial.architecture
    assert layout.world == 64
    assert trial.micro_batches * trial.micro_batch * layout.data == trial.task.batch
    assert model.layers % (layout.pipeline * layout.virtual) == 0
    assert model.heads % layout.tensor == 0

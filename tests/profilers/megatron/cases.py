"""What the worker trains: by ranks and by name. The cases of one family train the same model on the same tokens."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]

TOKENS = "TOKENS"
"""Stands for the token file that the tests prepare."""
SAMPLE_LENGTHS = (20, 20, 24, 30, 34, 10, 54, 64)
"""Of the token file: four full rows of 64 when they are packed."""

SHAPE = {
    "layers": 4,
    "hiddenSize": 64,
    "ffnHiddenSize": 128,
    "attentionHeads": 8,
    "queryGroups": 4,
    "vocabSize": 512,
}
EXPERTS = {"experts": 4, "expertsPerToken": 2, "expertFfnHiddenSize": 64}
LORA = {"method": "lora", "loraRank": 4}


def workload(task: str = "training", shape: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    known = {"framework": "megatron", "task": task, "globalBatchSize": 8, "sequenceLength": 64}
    return known | {"model": {"architecture": SHAPE | (shape or {})}} | fields


DENSE = workload()
MOE = workload(shape=EXPERTS)
SHARED = workload(shape=EXPERTS | {"sharedExpertFfnHiddenSize": 64})
TIED = workload(shape={"tiedEmbeddings": True})
GROUPS = workload(shape={"queryGroups": 2})
OLDER = workload(shape={"activation": "gelu", "normalization": "layernorm"})
VISION = workload(shape={"kind": "vision-language", "imageTokens": 16})
PACKED = workload("fine-tuning")
ADAPTED = workload("fine-tuning", fineTuning=LORA)
ADAPTED_MOE = workload("fine-tuning", EXPERTS, fineTuning=LORA)
FILE = {"data": {"path": TOKENS}, "globalBatchSize": 4}
FILE_PACKED = workload("fine-tuning", **FILE)
FILE_LOOSE = workload("fine-tuning", **FILE | {"globalBatchSize": 8}, fineTuning={"method": "full", "packed": False})

FAMILIES: dict[str, tuple[dict[str, Any], dict[int, dict[str, dict[str, Any]]]]] = {
    "dense": (
        DENSE,
        {
            1: {
                "reference": {},
                "mbs 2": {"mbs": 2},
                "recompute all": {"ar": "full"},
                "recompute groups of 2": {"ar": "full", "recompute_num_layers": 2},
                "recompute a block": {"ar": "full", "recompute_method": "block", "recompute_num_layers": 3},
                "recompute attention": {"ar": "selective"},
                "distributed optimizer alone": {"zero1": True},
            },
            2: {
                "tp2": {"tp": 2},
                "tp2 sp": {"tp": 2, "sp": True},
                "tp2 recompute attention": {"tp": 2, "ar": "selective"},
                "pp2": {"pp": 2},
                "pp2 recompute": {"pp": 2, "ar": "full"},
                "pp2 vpp2": {"pp": 2, "vpp": 2},
                "dp2": {},
                "dp2 three buckets": {"dpo": True, "bucketing": "count", "ddp": 3},
                "dp2 small buckets": {"dpo": True, "bucketing": "size", "ddp_bucket": 0.1},
                "dp2 distributed optimizer": {"zero1": True},
                "dp2 all overlapped": {"zero1": True, "dpo": True, "overlap_param_gather": True, "ddp": 3},
                "cp2": {"cp": 2},
            },
            4: {
                "tp2 pp2": {"tp": 2, "pp": 2},
                "tp2 sp dp2": {"tp": 2, "sp": True, "zero1": True, "dpo": True},
                "tp2 sp cp2": {"tp": 2, "sp": True, "cp": 2},
                "pp2 cp2": {"pp": 2, "cp": 2},
                "pp2 vpp2 dp2": {"pp": 2, "vpp": 2, "dpo": True, "zero1": True},
                "pp4": {"pp": 4},
            },
        },
    ),
    "experts": (
        MOE,
        {
            1: {"reference": {}, "recompute all": {"ar": "full"}},
            2: {
                "dp2": {},
                "ep2": {"ep": 2},
                "ep2 allgather": {"ep": 2, "moe_dispatcher": "allgather"},
                "ep2 distributed optimizer": {"ep": 2, "zero1": True, "dpo": True, "ddp": 2},
                "ep2 recompute all": {"ep": 2, "ar": "full"},
                "tp2 sp": {"tp": 2, "sp": True},
                "tp2 sp ep2": {"tp": 2, "sp": True, "ep": 2, "etp": 1},
            },
            4: {"ep4": {"ep": 4}, "pp2 ep2": {"pp": 2, "ep": 2}, "tp2 ep2": {"tp": 2, "sp": True, "ep": 2, "etp": 1}},
        },
    ),
    "one expert a token": (
        workload(shape=EXPERTS | {"expertsPerToken": 1}),
        {1: {"reference": {}}, 2: {"ep2": {"ep": 2}, "tp2 sp": {"tp": 2, "sp": True}}},
    ),
    "shared expert": (SHARED, {1: {"reference": {}}, 2: {"tp2 sp": {"tp": 2, "sp": True}, "ep2": {"ep": 2}}}),
    "tied embeddings": (TIED, {1: {"reference": {}}, 2: {"pp2": {"pp": 2}, "tp2": {"tp": 2}}}),
    "two query groups": (GROUPS, {1: {"reference": {}}, 4: {"tp4": {"tp": 4}, "tp4 sp": {"tp": 4, "sp": True}}}),
    "gelu and layernorm": (OLDER, {1: {"reference": {}}, 2: {"tp2 sp": {"tp": 2, "sp": True}}}),
    "vision-language": (
        VISION,
        {1: {"reference": {}}, 2: {"tp2 sp": {"tp": 2, "sp": True}, "pp2 vpp2": {"pp": 2, "vpp": 2}, "cp2": {"cp": 2}}},
    ),
    "packed samples": (
        PACKED,
        {1: {"reference": {}, "recompute all": {"ar": "full"}}, 2: {"dp2": {}, "pp2": {"pp": 2}, "cp2": {"cp": 2}}},
    ),
    "adapters": (
        ADAPTED,
        {
            1: {"reference": {}, "recompute all": {"ar": "full"}},
            2: {
                "tp2": {"tp": 2},
                "tp2 sp": {"tp": 2, "sp": True},
                "pp2 recompute": {"pp": 2, "ar": "full"},
                "cp2": {"cp": 2},
                "dp2 distributed optimizer": {"zero1": True, "dpo": True},
            },
        },
    ),
    "adapters of experts": (ADAPTED_MOE, {1: {"reference": {}}, 2: {"ep2": {"ep": 2}}}),
}
"""Family to its workload, and by ranks the configurations that must all train it alike."""

OTHERS: dict[int, dict[str, Case]] = {
    1: {
        "file packed": {"configuration": {}, "workload": FILE_PACKED},
        "file loose": {"configuration": {}, "workload": FILE_LOOSE},
        "file text": {"configuration": {}, "workload": workload(**FILE)},
        "bf16": {"configuration": {}, "workload": workload(precision="bf16")},
        "fp16": {"configuration": {}, "workload": workload(precision="fp16")},
        "few targets": {
            "configuration": {},
            "workload": workload("fine-tuning", fineTuning=LORA | {"loraTargets": ["qkv"]}),
        },
    },
    2: {
        "bf16 pipeline": {
            "configuration": {"pp": 2, "vpp": 2, "zero1": True, "dpo": True},
            "workload": workload(precision="bf16"),
        },
        "batched virtual pipeline": {
            "configuration": {"pp": 2, "vpp": 2, "overlap_p2p": False},
            "workload": DENSE,
            "unchecked": True,
        },
        "replicated experts": {
            "configuration": {"tp": 2, "sp": True, "etp": 1},
            "workload": MOE,
            "unchecked": True,
        },
    },
    4: {},
}
"""Cases that stand alone."""


def cases(world: int) -> dict[str, Case]:
    """All cases of so many ranks."""
    alike = {
        f"{family}: {name}": {"configuration": configuration, "workload": given}
        for family, (given, worlds) in FAMILIES.items()
        for name, configuration in worlds.get(world, {}).items()
    }
    return alike | OTHERS[world]

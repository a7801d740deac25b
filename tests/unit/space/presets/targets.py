"""Jobs that presets are derived for."""

from __future__ import annotations

from dataclasses import replace

from autoscout.space.parameter import SpaceError
from autoscout.space.presets import PRESETS
from autoscout.space.presets.defaults import with_expert_defaults
from autoscout.space.presets.draft import Override, merged
from autoscout.space.presets.target import Gpus, Model, Target
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

GIB = 2**30
DENSE = Model(
    layers=32,
    heads=32,
    groups=8,
    ffn=14_336,
    experts=1,
    cache_width=2048,
    dense_parameters=8_030_000_000,
    expert_parameters=0,
)
EXPERTS = Model(
    layers=48,
    heads=32,
    groups=4,
    ffn=768,
    experts=128,
    cache_width=1024,
    dense_parameters=1_540_000_000,
    expert_parameters=28_990_000_000,
)
NODE = Gpus(nodes=1, per_node=8, memory=80 * GIB)
TRAINING = Target(DENSE, NODE, sequence=4096, global_batch=64)
ROUTED = replace(TRAINING, model=EXPERTS, gpus=replace(NODE, nodes=8))
SERVING = Target(DENSE, NODE, sequence=1280)


def space(preset: str, target: Target, *overrides: Override) -> SearchSpace:
    """The preset's space with overrides and its defaults."""
    draft = PRESETS[preset](target)
    whole = SearchSpace(merged(draft, overrides), tuple(rule.expression for rule in draft.rules))
    return with_expert_defaults(draft, whole, [each.name for each in overrides if each.default is not None])


def breaks(found: SearchSpace, **values: Value) -> str:
    """Which constraint these values, on top of the defaults, break; empty: none."""
    try:
        found.canonical(found.full_values(found.default()) | values)
    except SpaceError as error:
        return f"{error.field}: {error.problem}"
    return ""

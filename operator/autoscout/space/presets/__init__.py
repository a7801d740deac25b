"""Built-in search spaces, derived from the model and the GPUs: `searchSpace.preset`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from autoscout.space.presets.draft import Draft
from autoscout.space.presets.megatron import megatron
from autoscout.space.presets.target import Target
from autoscout.space.presets.vllm import vllm

PRESETS: Mapping[str, Callable[[Target], Draft]] = {"megatron": megatron, "vllm": vllm}
"""By name, what derives the space."""

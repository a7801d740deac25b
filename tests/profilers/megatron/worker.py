"""One rank that trains many small models one after the other: what starting torch for each of them would cost is saved.

    torchrun --nproc-per-node 2 tests/profilers/megatron/worker.py cases.json results.json

Weights are set by name, so that every layout trains the very same model.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from autoscout_profiler.megatron import rules, settings
from autoscout_profiler.megatron.device import Cpu, Device

STEPS = 4


def main() -> None:
    cases, results = (Path(each) for each in sys.argv[1:])
    device = Cpu()
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    found = {name: run(case, device) for name, case in json.loads(cases.read_text()).items()}
    if torch.distributed.get_rank() == 0:
        results.write_text(json.dumps(found))
    torch.distributed.barrier()
    os._exit(0)


def run(case: dict[str, Any], device: Device) -> dict[str, Any]:
    """Losses of a few steps, and how the model was laid out; all ranks' answers where they differ."""
    import torch
    from megatron.core import parallel_state

    from autoscout_profiler.megatron.model import has_transformer_engine
    from autoscout_profiler.megatron.training import Trainer, divide_ranks

    world = torch.distributed.get_world_size()
    trial = settings.read(case["configuration"], case["workload"], world=world, default_precision="fp32")
    if not case.get("unchecked"):
        rules.check(trial, gpu=False, transformer_engine=has_transformer_engine(device))
    divide_ranks(trial)
    try:
        trainer = Trainer(trial, device)
        same_weights(trainer, trial)
        trainer._optimizer.reload_model_params()
        frozen = {name: value.clone() for name, value in values(trainer) if not value.requires_grad}
        losses = []
        for step in (0, 0, *range(STEPS - 2)):
            batch = trainer.batches.load(step)
            losses.append(trainer.loss(trainer.step(batch)))
        mine = {
            "buckets": trainer.bucket_count(),
            "trained": sorted(name for name, value in values(trainer) if value.requires_grad),
            "parameters": sum(value.numel() for _, value in values(trainer)),
            "moved": [
                name for name, value in values(trainer) if name in frozen and not torch.equal(value, frozen[name])
            ],
            "tokens": batch.tokens,
            "counted": sum(int(each.counted.sum()) for each in batch.micro_batches),
        }
        everyones: list[Any] = [None] * world
        torch.distributed.all_gather_object(everyones, mine)
        return {"losses": losses, "ranks": everyones}
    finally:
        parallel_state.destroy_model_parallel()
        gc.collect()


def values(trainer: Any) -> list[tuple[str, Any]]:
    return [
        (f"{number}.{name}", value)
        for number, stage in enumerate(trainer.stages)
        for name, value in stage.named_parameters()
    ]


def same_weights(trainer: Any, trial: settings.Settings) -> None:
    """Give every weight the values that belong to its name in the whole model, whichever part of it this rank has."""
    import torch

    with torch.no_grad():
        for stage in trainer.stages:
            module = stage.module
            while not hasattr(module, "decoder"):
                module = module.module
            owners = {
                f"decoder.layers.{index}.": layer.layer_number for index, layer in enumerate(module.decoder.layers)
            }
            for name, value in module.named_parameters():
                prefix = next((each for each in owners if name.startswith(each)), None)
                whole = name if prefix is None else f"layer {owners[prefix]} {name.removeprefix(prefix)}"
                value.copy_(part_of(whole, value, trial))


def part_of(name: str, value: Any, trial: settings.Settings) -> Any:
    """The rank's part of a weight of the whole model."""
    import torch
    from megatron.core import parallel_state

    if name.startswith("output_layer") and trial.architecture.tied:
        name = "embedding.word_embeddings.weight"
    expert = ".local_experts." in name
    if expert:
        before, _, after = name.partition(".local_experts.")
        index, _, rest = after.partition(".")
        count = trial.architecture.experts // trial.layout.expert
        number = int(index) + parallel_state.get_expert_model_parallel_rank() * count
        name = f"{before}.expert {number}.{rest}"
    ranks = trial.layout.expert_tensor if expert else trial.layout.tensor
    rank = (
        parallel_state.get_expert_tensor_parallel_rank() if expert else parallel_state.get_tensor_model_parallel_rank()
    )
    split = getattr(value, "tensor_model_parallel", False) and ranks > 1
    dimension = value.partition_dim if split else 0
    shape = list(value.shape)
    shape[dimension] *= ranks if split else 1
    generator = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]))
    whole = torch.randn(shape, generator=generator) * 0.05
    if "norm" in name:
        whole = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
    if name.endswith(".b") and ".linear_" in name:
        whole = torch.zeros(shape)
    if not split:
        return whole
    gated = "linear_fc1" in name and trial.architecture.gated and dimension == 0
    pieces = whole.chunk(2, dim=0) if gated else (whole,)
    return torch.cat([piece.chunk(ranks, dim=dimension)[rank] for piece in pieces], dim=dimension)


if __name__ == "__main__":
    main()

"""One optimizer step as Megatron-LM runs it: pipeline schedule, gradient reduction, distributed optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from megatron.core import parallel_state, tensor_parallel
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.transformer.transformer_config import TransformerConfig

from autoscout_profiler.megatron import overlap
from autoscout_profiler.megatron.batches import Batch, Batches, MicroBatch, Share
from autoscout_profiler.megatron.device import Device
from autoscout_profiler.megatron.model import DTYPES, build, has_transformer_engine
from autoscout_profiler.megatron.samples import SEED
from autoscout_profiler.megatron.settings import Settings

CLIP_GRADIENT = 1.0
FIRST_LOSS_SCALE = 2.0**10
"""Of fp16. Megatron's own 2^32 is halved through dozens of steps that train nothing."""


RENDEZVOUS = timedelta(minutes=20)
"""How long ranks wait for those of other nodes, whose images may still be pulled: less than the supervisor waits for
the first progress (PROFILER_STARTUP_SECONDS), so that the platform is blamed and not the configuration."""


class Trainer:
    """The model of one rank with its optimizer.

    Attributes:
        batches: of this rank.
        stages: of the model, wrapped for data parallelism.
    """

    def __init__(self, settings: Settings, device: Device) -> None:
        """Build model and optimizer. Process groups must be there (`start_ranks`).

        Raises:
            InvalidConfiguration: the token file can't be used.
        """
        self._settings = settings
        self._device = device
        engine = has_transformer_engine(device)
        share = Share(parallel_state.get_data_parallel_rank(), parallel_state.get_context_parallel_rank())
        self.batches = Batches(settings, share, device.torch, transformer_engine=engine)
        if settings.tensor_overlap:
            overlap.start(settings)
        stages, self._config = build(settings, device)
        self.stages = [self._reduced(stage, first=number == 0) for number, stage in enumerate(stages)]
        # Groups of gloo beside those of NCCL serve checkpoints only.
        self._optimizer = get_megatron_optimizer(
            _optimizer_config(settings), self.stages, use_gloo_process_groups=False
        )
        self._connect(self._config)
        self._schedule = get_forward_backward_func()

    def step(self, batch: Batch) -> list[dict[str, Any]]:
        """One optimizer step: forward and backward of all micro-batches, reduction, update.

        Returns:
            Of each micro-batch the sum of its losses and the tokens that counted, as tensors; nothing on ranks that are
            not the last of their pipeline.
        """
        settings = self._settings
        for stage in self.stages:
            stage.zero_grad_buffer()
        self._optimizer.zero_grad()
        joined = settings.task.packed and has_transformer_engine(self._device)
        rows = settings.micro_batch if joined else 1
        losses: list[dict[str, Any]] = self._schedule(
            forward_step_func=self._forward,
            data_iterator=[iter(batch.micro_batches) for _ in self.stages],
            model=self.stages,
            num_microbatches=len(batch.micro_batches),
            # Joined rows are one to the pipeline.
            seq_length=settings.task.sequence * rows,
            micro_batch_size=settings.micro_batch // rows,
            forward_only=False,
        )
        updated, norm, _ = self._optimizer.step()
        # A loss scale that proves too large is lowered and the step left out, which is how fp16 begins.
        if settings.precision != "fp16" and not (updated and norm is not None and math.isfinite(norm)):
            raise ArithmeticError(f"the gradient's norm is {norm}: this configuration does not train")
        return losses

    def loss(self, losses: Sequence[dict[str, Any]]) -> float:
        """The mean loss of the tokens of a step, the same on all ranks, all of which must ask."""
        total = torch.zeros(2, dtype=torch.float64, device=self._device.torch)
        for each in losses:
            total += torch.stack([each["loss"].double(), each["tokens"].double()])
        torch.distributed.all_reduce(total)
        return float(total[0] / total[1])

    def bucket_count(self) -> int:
        """Messages in which this rank's gradients are reduced."""
        return sum(
            len(group.buckets)
            for stage in self.stages
            for group in stage.bucket_groups + stage.expert_parallel_bucket_groups
        )

    def _forward(self, micro_batches: Any, stage: Any) -> tuple[Any, Any]:
        batch: MicroBatch = next(micro_batches).on(self._device.torch)
        output = stage(batch.tokens, batch.positions, labels=batch.labels, **self.batches.arguments(batch))

        def loss(values: Any) -> tuple[Any, Any, dict[str, Any]]:
            # Sum and count: with a mean the schedule would count context-parallel ranks twice.
            total = (values.float() * batch.counted).sum()
            count = batch.counted.sum().int()
            return total, count, {"loss": total.detach().clone(), "tokens": count.clone()}

        return output, loss

    def _reduced(self, stage: Any, *, first: bool) -> Any:
        """Wrap a stage so that its gradients are reduced over the data-parallel ranks."""
        gradients = self._settings.gradients
        trained = sum(parameter.numel() for parameter in stage.parameters() if parameter.requires_grad)
        config = DistributedDataParallelConfig(
            grad_reduce_in_fp32=gradients.fp32,
            overlap_grad_reduce=gradients.overlap,
            overlap_param_gather=gradients.overlap_gather,
            align_param_gather=self._settings.layout.virtual > 1,
            use_distributed_optimizer=gradients.sharded,
            bucket_size=gradients.bucket_elements(trained),
        )
        # As Megatron-LM: what comes behind the first stage is reduced while others still compute.
        return DistributedDataParallel(self._config, config, stage, disable_bucketing=not first)

    def _connect(self, config: TransformerConfig) -> None:
        """Tell the schedule when to reduce gradients and gather weights, as Megatron-LM does."""
        gradients = self._settings.gradients
        config.finalize_model_grads_func = finalize_model_grads
        config.grad_scale_func = self._optimizer.scale_loss
        if gradients.overlap:
            config.no_sync_func = _one_or_all([stage.no_sync for stage in self.stages])
            config.grad_sync_func = _one_or_all([stage.start_grad_sync for stage in self.stages])
        if gradients.overlap_gather and len(self.stages) > 1:
            config.param_sync_func = [stage.start_param_sync for stage in self.stages]


def start_ranks(settings: Settings, device: Device) -> None:
    """Meet the other ranks, and divide all of them into the groups of the layout."""
    torch.distributed.init_process_group(device.backend, timeout=RENDEZVOUS)
    divide_ranks(settings)


def divide_ranks(settings: Settings) -> None:
    """Divide the ranks that have met into the groups of the layout, each with its random state."""
    layout = settings.layout
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=layout.tensor,
        pipeline_model_parallel_size=layout.pipeline,
        virtual_pipeline_model_parallel_size=layout.virtual if layout.virtual > 1 else None,
        context_parallel_size=layout.context,
        expert_model_parallel_size=layout.expert,
        expert_tensor_parallel_size=layout.expert_tensor,
        create_gloo_process_groups=False,
    )
    # Stages differ, as in Megatron-LM.
    seed = SEED + 100 * parallel_state.get_pipeline_model_parallel_rank()
    torch.manual_seed(seed)
    tensor_parallel.model_parallel_cuda_manual_seed(seed, force_reset_rng=True)


def learning_rate(settings: Settings) -> float:
    """One that makes the loss fall within a few steps on any width.

    Adam's first step moves every weight by about the rate, all in the direction that helps, so that an output moves by
    the rate times the width: a quarter at most.
    """
    return min(1e-3, 0.25 / settings.architecture.hidden) * (10 if settings.task.adapters else 1)


def _optimizer_config(settings: Settings) -> OptimizerConfig:
    dtype = DTYPES[settings.precision]
    return OptimizerConfig(
        optimizer="adam",
        lr=learning_rate(settings),
        clip_grad=CLIP_GRADIENT,
        initial_loss_scale=FIRST_LOSS_SCALE,
        params_dtype=dtype,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_distributed_optimizer=settings.gradients.sharded,
        overlap_param_gather=settings.gradients.overlap_gather,
    )


def _one_or_all(functions: list[Any]) -> Any:
    """Megatron's schedules want a list for several stages, the function itself for one."""
    return functions if len(functions) > 1 else functions[0]

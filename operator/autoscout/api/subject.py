"""What is tuned and where, as the core sees it: `spec.workload` and `spec.hardware`."""

from __future__ import annotations

from autoscout.api import workload as api
from autoscout.api.architecture import architecture
from autoscout.simulators.workload import Hardware, Pool, Workload


def workload(given: api.Workload, *, built_in: bool = False) -> Workload:
    """`spec.workload`, with the shape of a model that is known by its name.

    Args:
        built_in: whether the built-in profiler measures it, so that a load that is left out is that profiler's own.
    """
    return Workload(
        framework=given.framework,
        task=given.task,
        model=given.model.name if given.model else None,
        architecture=architecture(given),
        global_batch_size=given.global_batch_size,
        sequence_length=given.sequence_length,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        precision=given.precision,
        adapters=given.fine_tuning is not None and given.fine_tuning.method == "lora",
        in_flight=_in_flight(given.load or (api.Load() if built_in else None)),
    )


def _in_flight(load: api.Load | None) -> int | None:
    """Offline all requests are handed over at once; arrivals at a rate of their own have no limit."""
    if load is None:
        return None
    return load.requests if load.mode == "offline" else load.concurrency


def hardware(given: api.Hardware) -> Hardware:
    """`spec.hardware`."""
    return Hardware(
        tuple(
            Pool(
                name=pool.name,
                gpu=pool.gpu,
                nodes=pool.nodes,
                gpus_per_node=pool.gpus_per_node,
                price_per_gpu_hour=None if pool.price_per_gpu_hour is None else pool.price_per_gpu_hour.number,
            )
            for pool in given.pools
        )
    )

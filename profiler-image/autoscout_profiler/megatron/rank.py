"""The main program of one rank, `python -m autoscout_profiler.megatron.rank`; the supervisor or torchrun starts it."""

from __future__ import annotations

import warnings

import torch

from autoscout_profiler.megatron import rules, settings
from autoscout_profiler.megatron.device import open_device
from autoscout_profiler.runner import child


def main(reporter: child.RankReporter) -> None:
    """Measure the trial that the environment describes.

    Raises:
        InvalidConfiguration: Megatron would refuse, ignore or miscalculate it.
        InfrastructureError: there are fewer GPUs than the trial asks for.
        ArithmeticError: the model does not train.
    """
    # Of libraries that are not installed and names that will change: nothing that a profile's reader could mend.
    for library in ("megatron", "torch"):
        warnings.filterwarnings("ignore", module=rf"{library}\.")
    device = open_device(reporter.hardware, reporter.local_rank)
    # These import Megatron, which has to find the device ready.
    from autoscout_profiler.megatron.model import has_transformer_engine  # noqa: PLC0415
    from autoscout_profiler.megatron.profile import Profile  # noqa: PLC0415
    from autoscout_profiler.megatron.training import start_ranks  # noqa: PLC0415

    trial = settings.read(
        reporter.configuration,
        reporter.workload,
        world=reporter.world_size,
        default_precision=device.default_precision,
    )
    rules.check(trial, gpu=bool(device.gpu), transformer_engine=has_transformer_engine(device))
    start_ranks(trial, device)
    Profile(trial, device, reporter).run()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    child.run(main)

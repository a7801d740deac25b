"""What runs inside the engine's workers: vLLM mixes it into its worker class (`worker_extension_cls`)."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import torch

PEAK_MEMORY = "autoscout_peak_memory_bytes"
MAKE_STAGE_BUFFERS = "autoscout_make_stage_buffers"
END_OTHER_NODES = "autoscout_end_other_nodes"
FOLLOWER_VARIABLE = "AUTOSCOUT_VLLM_FOLLOWER"
"""The process id of what started the workers of a node that is not the first; they inherit it."""

_SECONDS_TO_ANSWER = 1.0


class WorkerExtension:
    """Methods that `collective_rpc` calls in each worker, by the names above."""

    model_runner: Any

    def autoscout_peak_memory_bytes(self) -> int:
        """The most that the GPU's allocator held, weights and key-value cache included; 0 without a GPU."""
        return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0

    def autoscout_make_stage_buffers(self) -> None:
        """Make the buffers in which a pipeline stage receives activations, where that was left out.

        vLLM makes them in the trial run that sizes the key-value cache, which it skips on CPUs without compilation:
        then the first request fails.
        """
        runner = self.model_runner
        if runner.intermediate_tensors is None:
            runner.intermediate_tensors = runner.model.make_empty_intermediate_tensors(
                batch_size=runner.max_num_tokens, dtype=runner.model_config.dtype, device=runner.device
            )

    def autoscout_end_other_nodes(self) -> None:
        """End the node of this worker, once it has answered, if it is another than the first.

        The engine ends its own node's workers. Those of other nodes would wait for its next word for ever. Which node
        this is, the worker's own configuration does not tell: vLLM makes each replica of a dense model believe that it
        is the only one.
        """
        follower = os.environ.get(FOLLOWER_VARIABLE)
        if follower:
            threading.Timer(_SECONDS_TO_ANSWER, os.kill, (int(follower), signal.SIGTERM)).start()

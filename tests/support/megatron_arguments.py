"""Megatron-LM's command line as far as AutoScout writes it: names, forms and choices of megatron/training/arguments.py.

`megatron.training` is in no package: whoever has a checkout of Megatron-LM can compare. Where an argument ends up in
megatron-core is compared with the installed package by tests/profilers/launch.
"""

from __future__ import annotations

import argparse

_NUMBERS = (
    *("num-layers", "hidden-size", "ffn-hidden-size", "num-attention-heads", "num-query-groups", "kv-channels"),
    *("seq-length", "max-position-embeddings", "num-experts", "moe-router-topk", "moe-ffn-hidden-size"),
    *("moe-shared-expert-intermediate-size", "expert-model-parallel-size", "expert-tensor-parallel-size"),
    *("tensor-model-parallel-size", "pipeline-model-parallel-size", "context-parallel-size"),
    *("num-virtual-stages-per-pipeline-rank", "micro-batch-size", "global-batch-size", "recompute-num-layers"),
    *("ddp-num-buckets", "ddp-bucket-size", "vocab-size", "train-iters", "eval-iters", "log-interval"),
)
_FLOATS = ("attention-dropout", "hidden-dropout", "moe-aux-loss-coeff", "lr")
_TEXTS = ("tp-comm-overlap-cfg", "data-path", "split")
_CHOICES = {
    "position-embedding-type": ("learned_absolute", "rope", "mrope", "relative", "none"),
    "normalization": ("LayerNorm", "RMSNorm"),
    "moe-token-dispatcher-type": ("allgather", "alltoall", "flex"),
    "moe-router-load-balancing-type": ("aux_loss", "seq_aux_loss", "global_aux_loss", "sinkhorn", "none"),
    "fp8-format": ("e4m3", "hybrid"),
    "recompute-granularity": ("full", "selective"),
    "recompute-method": ("uniform", "block"),
    "tokenizer-type": ("GPT2BPETokenizer", "SentencePieceTokenizer", "HuggingFaceTokenizer", "NullTokenizer"),
    "distributed-backend": ("nccl", "gloo"),
    "transformer-impl": ("local", "transformer_engine"),
}
_FLAGS = (
    *("group-query-attention", "swiglu", "untie-embeddings-and-output-weights", "attention-softmax-in-fp32"),
    *(
        "moe-grouped-gemm",
        "moe-router-pre-softmax",
        "sequence-parallel",
        "bf16",
        "fp16",
        "use-distributed-optimizer",
        "overlap-grad-reduce",
    ),
    *("overlap-param-gather", "grad-reduce-in-bf16", "accumulate-allreduce-grads-in-fp32", "tp-comm-overlap"),
    *("mock-data", "finetune", "calculate-per-token-loss", "log-throughput"),
)
_NEGATIONS = {"disable-bias-linear": "add_bias_linear", "no-overlap-p2p-communication": "overlap_p2p_comm"}


def parser() -> argparse.ArgumentParser:
    """As Megatron-LM's: no abbreviations, an unknown argument is an error."""
    made = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for name in _NUMBERS:
        made.add_argument(f"--{name}", type=int)
    for name in _FLOATS:
        made.add_argument(f"--{name}", type=float)
    for name in _TEXTS:
        made.add_argument(f"--{name}")
    for name, choices in _CHOICES.items():
        made.add_argument(f"--{name}", choices=choices)
    for name in _FLAGS:
        made.add_argument(f"--{name}", action="store_true")
    for name, destination in _NEGATIONS.items():
        made.add_argument(f"--{name}", dest=destination, action="store_false")
    return made

#!/bin/sh
# TuningJob llama, as AutoScout configured it: tensor_parallel_size=2 max_num_seqs=256
# max_num_batched_tokens=8192.
# vLLM downloads the weights of meta-llama/Llama-3.1-8B, if it may; HF_TOKEN opens gated ones.
# --max-model-len is the longest request that was measured: raise it for longer ones.
set -eu
exec vllm serve meta-llama/Llama-3.1-8B \
    --dtype bfloat16 \
    --max-model-len 1280 \
    --tensor-parallel-size 2 \
    --max-num-seqs 256 \
    --max-num-batched-tokens 8192 \
    --data-parallel-size 4

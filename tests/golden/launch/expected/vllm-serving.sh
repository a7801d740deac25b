#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=4 dp=1 max_num_seqs=128
# enable_chunked_prefill=true enable_prefix_caching=false gpu_memory_utilization=0.95
# kv_cache_dtype=fp8 cudagraph_capture_sizes=[1, 2, 4, 8].
# vLLM downloads the weights of meta-llama/Llama-3.1-8B, if it may; HF_TOKEN opens gated ones.
# --max-model-len is the longest request that was measured: raise it for longer ones.
set -eu
exec vllm serve meta-llama/Llama-3.1-8B \
    --dtype bfloat16 \
    --quantization fp8 \
    --max-model-len 1280 \
    --tensor-parallel-size 4 \
    --data-parallel-size 1 \
    --max-num-seqs 128 \
    --enable-chunked-prefill \
    --no-enable-prefix-caching \
    --gpu-memory-utilization 0.95 \
    --kv-cache-dtype fp8 \
    --cudagraph-capture-sizes 1 2 4 8

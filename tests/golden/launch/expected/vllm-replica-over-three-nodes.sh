#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=8 pp=3 max_num_seqs=256.
# vLLM downloads the weights of meta-llama/Llama-3.1-70B, if it may; HF_TOKEN opens gated ones.
# --max-model-len is the longest request that was measured: raise it for longer ones.
# It runs on 3 nodes; node 0 takes the requests. Where one ends, see that all of them start again.
set -eu
: "${NODE_RANK:?set it: number of this node, 0 to 2}"
: "${MASTER_ADDR:?set it: name or address of node 0}"
exec vllm serve meta-llama/Llama-3.1-70B \
    --dtype bfloat16 \
    --max-model-len 1280 \
    --tensor-parallel-size 8 \
    --pipeline-parallel-size 3 \
    --max-num-seqs 256 \
    --distributed-executor-backend mp \
    --nnodes 3 \
    --node-rank "${NODE_RANK}" \
    --master-addr "${MASTER_ADDR}" \
    --master-port 29500 \
    $(test "${NODE_RANK}" = 0 || echo --headless)

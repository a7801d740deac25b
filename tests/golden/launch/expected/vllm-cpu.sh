#!/bin/sh
# TuningJob llama, as AutoScout configured it: max_num_seqs=16.
# The workload names no model: put its name or path in place of /models/model.
# --max-model-len is the longest request that was measured: raise it for longer ones.
# Measured was the engine without its server, for which vLLM may choose another
# max_num_batched_tokens.
set -eu
exec vllm serve /models/model \
    --dtype bfloat16 \
    --max-model-len 1280 \
    --enforce-eager \
    --max-num-seqs 16

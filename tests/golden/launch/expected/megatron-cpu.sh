#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=2 mbs=1.
# Start it in a checkout of Megatron-LM: it runs pretrain_gpt.py. The profiler's image has
# megatron-core only.
# It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model
# instead of --mock-data, NullTokenizer and --vocab-size.
# Learning rate, iterations (100 here) and checkpoints (--save, --load) are yours to choose.
# Megatron's core was measured on CPUs. Megatron-LM's own scripts need GPUs: so they would be asked.
set -eu
exec torchrun \
    --nproc-per-node 2 \
    pretrain_gpt.py \
    --num-layers 4 \
    --hidden-size 64 \
    --ffn-hidden-size 128 \
    --num-attention-heads 4 \
    --group-query-attention \
    --num-query-groups 2 \
    --kv-channels 16 \
    --seq-length 4096 \
    --max-position-embeddings 4096 \
    --position-embedding-type rope \
    --normalization RMSNorm \
    --swiglu \
    --disable-bias-linear \
    --untie-embeddings-and-output-weights \
    --attention-dropout 0.0 \
    --hidden-dropout 0.0 \
    --attention-softmax-in-fp32 \
    --tensor-model-parallel-size 2 \
    --pipeline-model-parallel-size 1 \
    --micro-batch-size 1 \
    --global-batch-size 64 \
    --mock-data \
    --split 99,1,0 \
    --tokenizer-type NullTokenizer \
    --vocab-size 511 \
    --distributed-backend gloo \
    --transformer-impl local \
    --lr 1.0e-5 \
    --train-iters 100 \
    --eval-iters 0 \
    --log-interval 1 \
    --log-throughput

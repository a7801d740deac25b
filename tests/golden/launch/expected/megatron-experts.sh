#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=2 sp=true ep=4 etp=1 mbs=1 moe_dispatcher=alltoall
# dpo=true ddp=4.
# Start it in a checkout of Megatron-LM: it runs pretrain_gpt.py. The profiler's image has
# megatron-core only.
# It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model
# instead of --mock-data, NullTokenizer and --vocab-size.
# Learning rate, iterations (100 here) and checkpoints (--save, --load) are yours to choose.
set -eu
export CUDA_DEVICE_MAX_CONNECTIONS=1
exec torchrun \
    --nproc-per-node 8 \
    pretrain_gpt.py \
    --num-layers 24 \
    --hidden-size 2048 \
    --ffn-hidden-size 5632 \
    --num-attention-heads 16 \
    --kv-channels 128 \
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
    --num-experts 60 \
    --moe-router-topk 4 \
    --moe-ffn-hidden-size 1408 \
    --moe-shared-expert-intermediate-size 5632 \
    --moe-token-dispatcher-type alltoall \
    --moe-router-load-balancing-type aux_loss \
    --moe-aux-loss-coeff 0.01 \
    --moe-grouped-gemm \
    --expert-model-parallel-size 4 \
    --expert-tensor-parallel-size 1 \
    --tensor-model-parallel-size 2 \
    --pipeline-model-parallel-size 1 \
    --sequence-parallel \
    --micro-batch-size 1 \
    --global-batch-size 64 \
    --bf16 \
    --overlap-grad-reduce \
    --ddp-num-buckets 4 \
    --mock-data \
    --split 99,1,0 \
    --tokenizer-type NullTokenizer \
    --vocab-size 151935 \
    --lr 1.0e-5 \
    --train-iters 100 \
    --eval-iters 0 \
    --log-interval 1 \
    --log-throughput

#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=1 mbs=4 grad_fp32=false.
# Start it in a checkout of Megatron-LM: it runs pretrain_gpt.py. The profiler's image has
# megatron-core only.
# It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model
# instead of --mock-data, NullTokenizer and --vocab-size.
# Learning rate, iterations (100 here) and checkpoints (--save, --load) are yours to choose.
# Fine-tuning was measured, several samples in each sequence. pretrain_gpt.py takes samples with
# --sft and a tokenizer of its own; --load names the weights.
# LoRA was measured: rank 8, alpha 32, on linear_qkv, linear_proj. pretrain_gpt.py has no adapters:
# these arguments train every weight and need more memory. Give them to a program that adds adapters
# to Megatron's model.
set -eu
export CUDA_DEVICE_MAX_CONNECTIONS=1
exec torchrun \
    --nproc-per-node 8 \
    pretrain_gpt.py \
    --num-layers 32 \
    --hidden-size 4096 \
    --ffn-hidden-size 14336 \
    --num-attention-heads 32 \
    --group-query-attention \
    --num-query-groups 8 \
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
    --tensor-model-parallel-size 1 \
    --pipeline-model-parallel-size 1 \
    --micro-batch-size 4 \
    --global-batch-size 64 \
    --bf16 \
    --grad-reduce-in-bf16 \
    --mock-data \
    --split 99,1,0 \
    --tokenizer-type NullTokenizer \
    --vocab-size 128255 \
    --finetune \
    --calculate-per-token-loss \
    --lr 1.0e-5 \
    --train-iters 100 \
    --eval-iters 0 \
    --log-interval 1 \
    --log-throughput

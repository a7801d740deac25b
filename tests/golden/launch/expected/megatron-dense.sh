#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=4 pp=2 sp=true mbs=2 ar=selective zero1=true
# tpo=true tp_comm=16.
# Start it in a checkout of Megatron-LM: it runs pretrain_gpt.py. The profiler's image has
# megatron-core only.
# It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model
# instead of --mock-data, NullTokenizer and --vocab-size.
# Learning rate, iterations (100 here) and checkpoints (--save, --load) are yours to choose.
set -eu
cat > tp-comm-overlap.yaml <<'END'
proj_fprop: {num_sm: 16}
fc2_fprop: {num_sm: 16}
qkv_dgrad: {num_sm: 16}
qkv_wgrad: {num_sm: 16}
fc1_dgrad: {num_sm: 16}
fc1_wgrad: {num_sm: 16}
END
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
    --tensor-model-parallel-size 4 \
    --pipeline-model-parallel-size 2 \
    --sequence-parallel \
    --micro-batch-size 2 \
    --global-batch-size 64 \
    --bf16 \
    --recompute-granularity selective \
    --use-distributed-optimizer \
    --tp-comm-overlap \
    --tp-comm-overlap-cfg ./tp-comm-overlap.yaml \
    --mock-data \
    --split 99,1,0 \
    --tokenizer-type NullTokenizer \
    --vocab-size 128255 \
    --lr 1.0e-5 \
    --train-iters 100 \
    --eval-iters 0 \
    --log-interval 1 \
    --log-throughput

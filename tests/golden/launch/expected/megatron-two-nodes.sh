#!/bin/sh
# TuningJob llama, as AutoScout configured it: tp=2 pp=4 cp=2 vpp=2 mbs=1 ar=full
# recompute_method=block recompute_num_layers=2 zero1=true dpo=true overlap_param_gather=true
# ddp_bucket=4.
# Start it in a checkout of Megatron-LM: it runs pretrain_gpt.py. The profiler's image has
# megatron-core only.
# It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model
# instead of --mock-data, NullTokenizer and --vocab-size.
# Learning rate, iterations (100 here) and checkpoints (--save, --load) are yours to choose.
set -eu
: "${NODE_RANK:?set it: number of this node, 0 to 1}"
: "${MASTER_ADDR:?set it: name or address of node 0}"
export CUDA_DEVICE_MAX_CONNECTIONS=1
exec torchrun \
    --nproc-per-node 8 \
    --nnodes 2 \
    --node-rank "${NODE_RANK}" \
    --master-addr "${MASTER_ADDR}" \
    --master-port 29500 \
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
    --tensor-model-parallel-size 2 \
    --pipeline-model-parallel-size 4 \
    --context-parallel-size 2 \
    --num-virtual-stages-per-pipeline-rank 2 \
    --micro-batch-size 1 \
    --global-batch-size 64 \
    --bf16 \
    --recompute-granularity full \
    --recompute-method block \
    --recompute-num-layers 2 \
    --use-distributed-optimizer \
    --overlap-grad-reduce \
    --overlap-param-gather \
    --ddp-bucket-size 1000000 \
    --mock-data \
    --split 99,1,0 \
    --tokenizer-type NullTokenizer \
    --vocab-size 128255 \
    --lr 1.0e-5 \
    --train-iters 100 \
    --eval-iters 0 \
    --log-interval 1 \
    --log-throughput

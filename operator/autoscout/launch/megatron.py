"""A configuration as arguments of Megatron-LM's pretrain_gpt.py (megatron/training/arguments.py, megatron-core 0.16).

The configuration is read by the code that the profiler reads it with: what is launched is what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoscout.launch.program import FILES, MASTER_ADDRESS, NODE_RANK, LaunchError, Program, variable
from autoscout.space.values import Value
from autoscout_profiler.errors import InvalidConfiguration
from autoscout_profiler.megatron.settings import Settings, read
from autoscout_profiler.runner.launch import DEFAULT_MASTER_PORT, Trial, megatron_world

Group = tuple[str, ...]

SCRIPT = "pretrain_gpt.py"
ITERATIONS = 100
"""That the command trains: enough to see its speed. The user's own number takes its place."""
OVERLAP_FILE = "tp-comm-overlap.yaml"
OVERLAPPED_BY_KERNELS = ("proj_fprop", "fc2_fprop", "qkv_dgrad", "qkv_wgrad", "fc1_dgrad", "fc1_wgrad")
"""Products whose collective takes multiprocessors in Transformer Engine (methods `pipeline` and `bulk`); the others
pass chunks around by copy engines."""
BALANCING_LOSS = "0.01"


def program(configuration: Mapping[str, Value], workload: Mapping[str, Any], hardware: Mapping[str, Any]) -> Program:
    """What trains this configuration.

    Args:
        configuration: the active parameters.
        workload: `spec.workload` with the whole architecture.
        hardware: of one measurement: gpu, nodes, gpusPerNode.

    Raises:
        LaunchError: Megatron can't be started like that.
    """
    nodes, gpus = hardware["nodes"], hardware["gpusPerNode"]
    try:
        world = megatron_world(Trial({"configuration": dict(configuration), "hardware": dict(hardware)}))
        settings = read(configuration, workload, world=world, default_precision="bf16" if gpus else "fp32")
    except InvalidConfiguration as error:
        raise LaunchError(error.field, str(error).removeprefix(f"{error.field}: ")) from error
    if world % nodes:
        raise LaunchError("tp, pp, cp, dp", f"{world} ranks can't be spread evenly over {nodes} nodes")
    several = nodes > 1
    groups = (
        *_torchrun(nodes, world // nodes),
        (SCRIPT,),
        *_model(settings),
        *_experts(settings, grouped=bool(gpus) and settings.precision in ("bf16", "fp8")),
        *_parallelism(settings),
        *_batch(settings),
        *_precision(settings),
        *_recomputation(settings),
        *_gradients(settings),
        *_tensor_overlap(settings),
        *_data(settings),
        *(() if gpus else (("--distributed-backend", "gloo"), ("--transformer-impl", "local"))),
        ("--lr", "1.0e-5"),
        ("--train-iters", str(ITERATIONS)),
        ("--eval-iters", "0"),
        ("--log-interval", "1"),
        ("--log-throughput",),
    )
    return Program(
        groups=groups,
        # One queue of work, as in the profile; before Blackwell Megatron insists on it with tp or cp above 1.
        environment={"CUDA_DEVICE_MAX_CONNECTIONS": "1"} if gpus else {},
        variables=(
            {NODE_RANK: f"number of this node, 0 to {nodes - 1}", MASTER_ADDRESS: "name or address of node 0"}
            if several
            else {}
        ),
        files={OVERLAP_FILE: _overlap_file(settings)} if settings.communication_sms else {},
        nodes=nodes,
        gpus=gpus,
        shares_memory=gpus > 1,  # NCCL
        notes=tuple(_notes(settings, gpus=gpus)),
    )


def _torchrun(nodes: int, processes: int) -> Iterator[Group]:
    yield ("torchrun",)
    yield ("--nproc-per-node", str(processes))
    if nodes > 1:
        yield ("--nnodes", str(nodes))
        yield ("--node-rank", variable(NODE_RANK))
        yield ("--master-addr", variable(MASTER_ADDRESS))
        yield ("--master-port", str(DEFAULT_MASTER_PORT))


def _model(settings: Settings) -> Iterator[Group]:
    model, task = settings.architecture, settings.task
    yield ("--num-layers", str(model.layers))
    yield ("--hidden-size", str(model.hidden))
    yield ("--ffn-hidden-size", str(model.ffn))
    yield ("--num-attention-heads", str(model.heads))
    if model.groups != model.heads:
        yield ("--group-query-attention",)
        yield ("--num-query-groups", str(model.groups))
    yield ("--kv-channels", str(model.head))
    yield ("--seq-length", str(task.sequence))
    yield ("--max-position-embeddings", str(task.sequence))
    yield ("--position-embedding-type", "rope")
    yield ("--normalization", "RMSNorm" if model.rms else "LayerNorm")
    if model.gated:
        yield ("--swiglu",)
    if model.gated or model.experts:
        yield ("--disable-bias-linear",)
    if not model.tied:
        yield ("--untie-embeddings-and-output-weights",)
    yield ("--attention-dropout", "0.0")
    yield ("--hidden-dropout", "0.0")
    yield ("--attention-softmax-in-fp32",)


def _experts(settings: Settings, *, grouped: bool) -> Iterator[Group]:
    model, layout = settings.architecture, settings.layout
    if not model.experts:
        return
    yield ("--num-experts", str(model.experts))
    yield ("--moe-router-topk", str(model.experts_per_token))
    if model.experts_per_token == 1:
        yield ("--moe-router-pre-softmax",)
    yield ("--moe-ffn-hidden-size", str(model.expert_ffn))
    if model.shared_ffn:
        yield ("--moe-shared-expert-intermediate-size", str(model.shared_ffn))
    yield ("--moe-token-dispatcher-type", settings.dispatcher)
    yield ("--moe-router-load-balancing-type", "aux_loss")
    yield ("--moe-aux-loss-coeff", BALANCING_LOSS)
    if grouped:
        yield ("--moe-grouped-gemm",)
    yield ("--expert-model-parallel-size", str(layout.expert))
    yield ("--expert-tensor-parallel-size", str(layout.expert_tensor))


def _parallelism(settings: Settings) -> Iterator[Group]:
    layout = settings.layout
    yield ("--tensor-model-parallel-size", str(layout.tensor))
    yield ("--pipeline-model-parallel-size", str(layout.pipeline))
    if layout.context > 1:
        yield ("--context-parallel-size", str(layout.context))
    if layout.sequence:
        yield ("--sequence-parallel",)
    if layout.virtual > 1:
        yield ("--num-virtual-stages-per-pipeline-rank", str(layout.virtual))
        if not settings.overlap_p2p:
            yield ("--no-overlap-p2p-communication",)


def _batch(settings: Settings) -> Iterator[Group]:
    yield ("--micro-batch-size", str(settings.micro_batch))
    yield ("--global-batch-size", str(settings.task.batch))


def _precision(settings: Settings) -> Iterator[Group]:
    match settings.precision:
        case "bf16" | "fp16":
            yield (f"--{settings.precision}",)
        case "fp8":
            yield ("--bf16",)
            yield ("--fp8-format", "hybrid")


def _recomputation(settings: Settings) -> Iterator[Group]:
    if settings.recomputation == "none":
        return
    yield ("--recompute-granularity", settings.recomputation)
    if settings.recomputation == "full":
        yield ("--recompute-method", settings.recompute_method)
        yield ("--recompute-num-layers", str(settings.recompute_layers))


def _gradients(settings: Settings) -> Iterator[Group]:
    gradients = settings.gradients
    if gradients.sharded:
        yield ("--use-distributed-optimizer",)
    if gradients.overlap:
        yield ("--overlap-grad-reduce",)
    if gradients.overlap_gather:
        yield ("--overlap-param-gather",)
    if gradients.buckets is not None:
        yield ("--ddp-num-buckets", str(gradients.buckets))
    elif (elements := gradients.bucket_elements(0)) is not None:
        yield ("--ddp-bucket-size", str(elements))
    # Megatron-LM keeps the gradients of bf16 in fp32 unless it is told otherwise, and those of fp16 in fp16.
    if settings.precision in ("bf16", "fp8") and not gradients.fp32:
        yield ("--grad-reduce-in-bf16",)
    if settings.precision == "fp16" and gradients.fp32:
        yield ("--accumulate-allreduce-grads-in-fp32",)


def _tensor_overlap(settings: Settings) -> Iterator[Group]:
    if settings.tensor_overlap:
        yield ("--tp-comm-overlap",)
        if settings.communication_sms:
            yield ("--tp-comm-overlap-cfg", f"{FILES}/{OVERLAP_FILE}")


def _overlap_file(settings: Settings) -> str:
    """What --tp-comm-overlap-cfg names: Transformer Engine's settings of each overlapped product, as YAML."""
    sms = settings.communication_sms
    return "".join(f"{product}: {{num_sm: {sms}}}\n" for product in OVERLAPPED_BY_KERNELS)


def _data(settings: Settings) -> Iterator[Group]:
    task = settings.task
    if task.path is None:
        yield ("--mock-data",)
    else:
        yield ("--data-path", task.path.removesuffix(".bin").removesuffix(".idx"))
    yield ("--split", "99,1,0")
    # This tokenizer adds a token for the end of a document.
    yield ("--tokenizer-type", "NullTokenizer")
    yield ("--vocab-size", str(settings.architecture.vocabulary - 1))
    if task.samples:
        yield ("--finetune",)
        yield ("--calculate-per-token-loss",)


def _notes(settings: Settings, *, gpus: int) -> Iterator[str]:
    task, model = settings.task, settings.architecture
    yield f"Start it in a checkout of Megatron-LM: it runs {SCRIPT}. The profiler's image has megatron-core only."
    if task.path is None:
        yield (
            "It trains on synthetic tokens. For yours give --data-path, --tokenizer-type and --tokenizer-model instead "
            "of --mock-data, NullTokenizer and --vocab-size."
        )
    yield f"Learning rate, iterations ({ITERATIONS} here) and checkpoints (--save, --load) are yours to choose."
    if task.samples:
        yield (
            f"Fine-tuning was measured, {'several samples' if task.packed else 'one sample'} in each sequence. "
            "pretrain_gpt.py takes samples with --sft and a tokenizer of its own; --load names the weights."
        )
    if task.adapters:
        targets = ", ".join(f"linear_{target}" for target in task.adapters.targets)
        yield (
            f"LoRA was measured: rank {task.adapters.rank}, alpha {task.adapters.alpha}, on {targets}. pretrain_gpt.py "
            "has no adapters: these arguments train every weight and need more memory. Give them to a program that "
            "adds adapters to Megatron's model."
        )
    if model.image_tokens:
        yield (
            f"The decoder of a vision-language model was measured, {model.image_tokens} positions of a sequence being "
            "an image. pretrain_gpt.py trains the same decoder on text alone."
        )
    if not gpus:
        yield "Megatron's core was measured on CPUs. Megatron-LM's own scripts need GPUs: so they would be asked."

from __future__ import annotations

import pytest

from autoscout_profiler.errors import InfrastructureError, InvalidConfiguration, Reason
from autoscout_profiler.runner.failures import Failure, cause_in, explained, of_exception, of_text, verdict


def failure(rank: int, at: float, message: str, reason: Reason = Reason.FRAMEWORK_ERROR) -> Failure:
    return Failure(rank, at, reason, message)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", Reason.OUT_OF_MEMORY),
        ("RuntimeError: CUDA error: out of memory", Reason.OUT_OF_MEMORY),
        ("DistBackendError: ncclUnhandledCudaError: Cuda failure 2 'out of memory'", Reason.OUT_OF_MEMORY),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", Reason.OUT_OF_MEMORY),
        ("ValueError: No available memory for the cache blocks. Try increasing", Reason.OUT_OF_MEMORY),
        ("ValueError: 2 GiB KV cache is needed, larger than the available KV cache memory", Reason.OUT_OF_MEMORY),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate",
            Reason.HOST_OUT_OF_MEMORY,
        ),
        ("terminate called after throwing an instance of 'std::bad_alloc'", Reason.HOST_OUT_OF_MEMORY),
        ("OSError: [Errno 12] Cannot allocate memory", Reason.HOST_OUT_OF_MEMORY),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", Reason.INFRASTRUCTURE),
        ("RuntimeError: No CUDA-capable device is detected", Reason.INFRASTRUCTURE),
        ("OSError: [Errno 28] No space left on device", Reason.INFRASTRUCTURE),
        ("RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution", Reason.INFRASTRUCTURE),
        (
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
            Reason.INFRASTRUCTURE,
        ),
        ("NVMLError_LibRmVersionMismatch: Driver/library version mismatch", Reason.INFRASTRUCTURE),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 11040).", Reason.INFRASTRUCTURE),
        (
            "DistStoreError: Timed out after 1201 seconds waiting for clients. 1/2 clients joined.",
            Reason.INFRASTRUCTURE,
        ),
        (
            "DistNetworkError: The client socket has timed out after 1200000ms while trying to connect to (j-0, 2950).",
            Reason.INFRASTRUCTURE,
        ),
        ("RuntimeError: Did not receive response from front-end process within 5 minutes", Reason.INFRASTRUCTURE),
        ("ValueError: memory layout: the tensor is out of range", Reason.FRAMEWORK_ERROR),
    ],
)
def test_the_words_of_frameworks_have_reasons(text, reason):
    assert of_text(text, rank=0, at=0).reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError: [/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:41234",
        "RuntimeError: [/gloo/transport/tcp/pair.cc:520] Connection reset by peer",
        "DistBackendError: NCCL error: remote process exited or there was a network error, ncclRemoteError",
        "DistNetworkError: failed to recv, got 0 bytes",
        "BrokenPipeError: [Errno 32] Broken pipe",
    ],
)
def test_a_peer_that_is_gone_is_a_consequence(text):
    assert of_text(text, rank=0, at=0).consequence


def test_what_ran_out_of_memory_is_no_consequence_whatever_else_it_says():
    assert not of_text(
        "DistBackendError: Cuda failure 'out of memory', connection closed by peer", rank=0, at=0
    ).consequence


def test_an_exception_is_told_with_its_type_and_place():
    def layer() -> None:
        raise KeyError("weight")

    with pytest.raises(KeyError) as caught:
        layer()
    found = of_exception(caught.value, rank=3, at=1.5)
    assert (found.rank, found.at, found.reason, found.consequence) == (3, 1.5, Reason.FRAMEWORK_ERROR, False)
    assert found.message.startswith("KeyError: 'weight' (in layer, test_failures.py:")


def test_an_exception_of_ours_is_told_in_its_own_words():
    found = of_exception(InvalidConfiguration("tp", "3 does not divide 8"), rank=0, at=0)
    assert (found.reason, found.message) == (Reason.INVALID_CONFIGURATION, "tp: 3 does not divide 8")
    assert of_exception(InfrastructureError(), rank=0, at=0).message == "InfrastructureError"


def test_a_record_survives_its_file(tmp_path):
    written = Failure(1, 2.5, Reason.HANG, "über", consequence=True)
    written.write(tmp_path / "error.json")
    assert Failure.read(tmp_path / "error.json") == written
    assert Failure.read(tmp_path / "missing.json") is None
    assert [path.name for path in tmp_path.iterdir()] == ["error.json"]


def test_the_first_failure_that_is_no_consequence_is_the_cause():
    body = verdict(
        [
            of_text("RuntimeError: Connection closed by peer", rank=0, at=1.0),
            failure(1, 3.0, "ValueError: later"),
            failure(2, 2.0, "ValueError: first"),
        ],
        ranks=3,
    )
    assert body.reason == "FrameworkError"
    assert body.message == (
        "rank 2: ValueError: first; rank 1: ValueError: later; rank 0: RuntimeError: Connection closed by peer"
    )


def test_a_lonely_process_needs_no_number():
    assert verdict([failure(0, 1.0, "ValueError: no")]).message == "ValueError: no"
    assert verdict([failure(0, 1.0, "ValueError: no")], nodes=2).message == "rank 0: ValueError: no"


def test_only_lost_peers_mean_another_node_or_a_framework_that_failed():
    lost = [of_text("RuntimeError: Connection closed by peer", rank=0, at=1.0)]
    assert verdict(lost, nodes=2).reason == "PeerLost"
    assert verdict(lost, ranks=2).reason == "FrameworkError"


def test_many_long_failures_stay_short():
    failures = [failure(rank, float(rank), f"ValueError: {rank} {'x' * 9000}") for rank in range(512)]
    body = verdict(failures, ranks=512)
    assert len(body.message) < 4000
    assert body.message.endswith("; and 503 more")


def test_what_several_ranks_say_alike_is_said_once():
    same = [failure(rank, float(rank), "tp: 3 does not divide 8", Reason.INVALID_CONFIGURATION) for rank in (1, 0)]
    assert verdict(same, ranks=2).message == "ranks 0, 1: tp: 3 does not divide 8"
    many = [failure(rank, 0.0, "no", Reason.INVALID_CONFIGURATION) for rank in range(64)]
    assert verdict(many, ranks=64).message == "ranks 0, 1, 2, 3, 4, 5, 6, 7 and 56 more: no"


def test_an_output_is_blamed_only_where_the_process_blames_another_one():
    output = ["ERROR torch.OutOfMemoryError: CUDA out of memory."]
    own = failure(0, 1.0, "ValueError: unknown knob")
    assert explained(own, output) == own
    blaming = failure(0, 1.0, "RuntimeError: Engine core initialization failed. See root cause above.")
    assert explained(blaming, []) == blaming
    assert explained(blaming, output).reason is Reason.OUT_OF_MEMORY


def test_in_an_output_what_means_something_goes_before_what_came_first():
    output = [
        "Traceback (most recent call last):",
        "ERROR [core.py:1] ValueError: shape mismatch",
        "RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    found = cause_in(output, rank=0, at=0)
    assert found is not None
    assert found.message == "ValueError: shape mismatch"
    memory = cause_in([*output, "terminate called after throwing an instance of 'std::bad_alloc'"], rank=0, at=0)
    assert memory is not None
    assert memory.reason is Reason.HOST_OUT_OF_MEMORY
    assert cause_in(["all is well"], rank=0, at=0) is None


def test_an_error_that_was_only_warned_of_is_not_blamed():
    output = [
        "(MainProcess pid=1) WARNING 11-22 03:13:24 [base.py:380] ValueError: Tokenizer not available",
        "(Worker_PP1 pid=2) ERROR 11-22 03:13:24 [multiproc_executor.py:1063] AssertionError",
    ]
    found = cause_in(output, rank=0, at=0)
    assert found is not None
    assert found.message == "AssertionError"


def test_a_worker_that_died_without_a_word_is_the_cause_of_what_was_cancelled():
    output = [
        "(EngineCore pid=1) ERROR 11-22 03:22:28 [multiproc_executor.py:315] Worker proc VllmWorker-1 died unexpectedly",  # noqa: E501
        "(EngineCore pid=1) ERROR 11-22 03:22:29 [core.py:1512] RuntimeError: cancelled",
    ]
    found = cause_in(output, rank=0, at=0)
    assert found is not None
    assert found.message == "Worker proc VllmWorker-1 died unexpectedly"

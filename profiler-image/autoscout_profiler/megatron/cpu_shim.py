"""Megatron-core on CPUs: what it asks of CUDA by name is answered by the CPU. Nothing else is changed.

Megatron names its device where it makes tensors, keeps CUDA's random states, and records streams and events. The CPU
has one device, one random state, and runs everything in order, so each of these has a true answer there; mathematics
and communication (gloo) stay Megatron's own. Applied only if a trial says that it runs on CPUs, never as a fallback.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Self

import torch

CPU = torch.device("cpu")

_FACTORIES = ("arange", "empty", "full", "ones", "tensor", "zeros")


class _InOrder:
    """A stream or an event of a device that runs everything in the program's order: there is nothing to wait for."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def wait_stream(self, _: object) -> None:
        pass

    def wait_event(self, _: object) -> None:
        pass

    def record_event(self, _: object = None) -> Self:
        return self

    def record(self, _: object = None) -> None:
        pass

    def synchronize(self) -> None:
        pass


def before_import() -> None:
    """Redirect torch. To be called before megatron.core is imported."""
    for name in _FACTORIES:
        setattr(torch, name, _on_cpu(getattr(torch, name)))
    stream = _InOrder()
    replacements: dict[str, Any] = {
        "current_device": lambda: CPU,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
        "manual_seed": torch.manual_seed,
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda state, *_: torch.set_rng_state(state),
        "Stream": _InOrder,
        "Event": _InOrder,
        "current_stream": lambda *_: stream,
        "default_stream": lambda *_: stream,
        "stream": lambda *_: contextlib.nullcontext(),
    }
    for name, replacement in replacements.items():
        setattr(torch.cuda, name, replacement)
    torch.Tensor.cuda = _itself
    torch.nn.Module.cuda = _itself
    torch.Tensor.record_stream = lambda *_: None
    torch.Tensor.type = _type(torch.Tensor.type)
    torch.distributed.all_to_all_single = _with_lists(torch.distributed.all_to_all_single)
    # Megatron decorates functions with it while it is imported; for CPUs it would need a C++ compiler in the image.
    torch.compile = _itself


def after_import() -> None:
    """Redirect Megatron's tracker of random states. To be called after `before_import`."""
    from megatron.core.tensor_parallel import random  # noqa: PLC0415 - not before torch is ready

    random._set_cuda_rng_state = lambda state, *_, **__: torch.set_rng_state(state)  # noqa: SLF001 - that is the shim
    random._get_cuda_rng_state = lambda *_, **__: torch.get_rng_state()  # noqa: SLF001

    @contextlib.contextmanager
    def fork(self: Any, name: str = "model-parallel-rng") -> Iterator[None]:
        # Megatron warns if the CPU's state changes inside: here it is the state that is meant to.
        before = torch.get_rng_state()
        torch.set_rng_state(self.states_[name])
        try:
            yield
        finally:
            self.states_[name] = torch.get_rng_state()
            torch.set_rng_state(before)

    random.CudaRNGStatesTracker.fork = fork


def _on_cpu(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A factory of tensors that takes `device="cuda"` for the CPU; there is no page-locked memory without a GPU."""

    @functools.wraps(factory)
    def made(*arguments: Any, **options: Any) -> Any:
        if "device" in options and str(options["device"]).startswith("cuda"):
            options["device"] = CPU
        options.pop("pin_memory", None)
        return factory(*arguments, **options)

    return made


def _itself(value: Any, *_: object, **__: object) -> Any:
    return value


def _type(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Tensor.type()` as the optimizer expects it: it accepts `torch.cuda.FloatTensor` only."""

    @functools.wraps(original)
    def named(tensor: Any, *arguments: Any, **options: Any) -> Any:
        name = original(tensor, *arguments, **options)
        return name.replace("torch.", "torch.cuda.", 1) if isinstance(name, str) else name

    return named


def _with_lists(original: Callable[..., Any]) -> Callable[..., Any]:
    """`all_to_all_single` whose split sizes may be tensors: Megatron makes lists of those only that lie on a GPU."""

    def plain(sizes: Any) -> Any:
        return sizes.tolist() if isinstance(sizes, torch.Tensor) else sizes

    @functools.wraps(original)
    def exchange(
        output: Any, given: Any, output_split_sizes: Any = None, input_split_sizes: Any = None, **options: Any
    ) -> Any:
        return original(output, given, plain(output_split_sizes), plain(input_split_sizes), **options)

    return exchange

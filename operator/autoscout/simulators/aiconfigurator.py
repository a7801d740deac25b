"""Steps of vLLM from measured kernels: the tables of NVIDIA's aiconfigurator (Apache-2.0), an optional extra.

aiconfigurator measured matrix products, attention and collectives on each kind of GPU and adds them up to the time of
one step of the engine. Only that time comes from it: schedule, memory and uncertainty are those of `serving`.
Its package holds the tables; they are read when a model is first asked for. It knows the models whose configuration
it ships: another one would be fetched from the network, which a simulator must not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscout.simulators.hardware import find
from autoscout.simulators.serving_knobs import ServingKnobs
from autoscout.simulators.workload import Workload

Floats = npt.NDArray[np.float64]

PACKAGE: Final = "aiconfigurator_core"

SYSTEMS: Final = {
    "a100-sxm4-80gb": "a100_sxm",
    "a100-pcie-80gb": "a100_pcie",
    "h100-sxm5-80gb": "h100_sxm",
    "h100-pcie-80gb": "h100_pcie",
    "h200-sxm5-141gb": "h200_sxm",
    "b200-sxm6-180gb": "b200_sxm",
    "l40s": "l40s",
    "l4": "l4",
}
"""Aiconfigurator's name of the system, by the name in `hardware.CATALOGUE`."""


class KernelsError(ValueError):
    """aiconfigurator has no tables for this; the message names the field and the way out."""


@dataclass(frozen=True)
class MeasuredSteps:
    """The time of one step of the engine, from measured kernels. See `serving.StepModel`.

    They are those of the model as it is published: a knob that quantises weights or cache changes the memory here but
    not the time, and neither does `enforce_eager`.

    Attributes:
        model: as aiconfigurator names it.
        system: the same.
        knobs: of the N configurations.
        answer: tokens generated for one prompt.
    """

    model: str
    system: str
    knobs: ServingKnobs
    answer: float

    def __call__(self, decoding: Floats, prefill: Floats, context: float, prompt: float) -> tuple[Floats, Floats]:  # noqa: ARG002 - the engine derives the context from prompt and answer
        """Seconds of one step through all stages, [N]; the share of communication in them is not told apart: 0."""
        keys = np.stack(
            [
                self.knobs.tp,
                self.knobs.pp,
                # Replicas that share experts are not in its steps: each is taken for itself.
                np.minimum(self.knobs.expert_ranks, self.knobs.tp),
                np.round(decoding),
                np.round(prefill),
            ],
            axis=1,
        ).astype(np.int64)
        unique, inverse = np.unique(keys, axis=0, return_inverse=True)
        seconds = np.array([self._seconds(*map(int, row), prompt=prompt) for row in unique])
        result: Floats = seconds[inverse.reshape(-1)]
        return result, np.zeros_like(result)

    def _seconds(self, tp: int, pp: int, experts: int, decoding: int, prefill: int, *, prompt: float) -> float:
        engine = _engine(self.model, self.system, tp, pp, experts)
        if engine is None:
            # A split that the model does not allow: `ServingKnobs.valid` says so too.
            return 1.0
        isl, osl = round(prompt), max(2, round(self.answer))
        if prefill:
            return float(engine.mixed_step_latency(prefill, decoding, isl, osl)) / 1000
        return float(engine.decode_step_latency(decoding, isl, osl)) / 1000


def tables(workload: Workload, product: str | None) -> tuple[str, str]:
    """Aiconfigurator's names of the model and the system of a job.

    Raises:
        KernelsError: the package is not installed, or has neither.
    """
    if find_spec(PACKAGE) is None:
        raise KernelsError(
            "search.settings.kernels is aiconfigurator, which is not installed: pip install 'autoscout[aiconfigurator]'"
        )
    gpu = find(product)
    system = None if gpu is None else SYSTEMS.get(gpu.name)
    if system is None:
        raise KernelsError(
            f"spec.hardware.pools[0].gpu is {product!r}, which aiconfigurator has not measured: leave out "
            "search.settings.kernels"
        )
    wanted = _plain(workload.model or "")
    found = next((name for name in models() if _plain(name) == wanted), None)
    if found is None:
        raise KernelsError(
            f"spec.workload.model.name is {workload.model!r}, which aiconfigurator does not hold; there are: "
            f"{', '.join(models())}"
        )
    if _engine(found, system, 1, 1, 1) is None:
        raise KernelsError(f"aiconfigurator has no kernels of vLLM for {found} on {system}: leave out kernels")
    return found, system


@lru_cache(maxsize=1)
def models() -> Sequence[str]:
    """The models whose configuration the package ships, as `organisation/name`."""
    suffix = "_config.json"
    folder = resources.files(PACKAGE) / "model_configs"
    names = [file.name for file in folder.iterdir() if file.name.endswith(suffix) and "quant" not in file.name]
    return sorted(name.removesuffix(suffix).replace("--", "/", 1) for name in names)


def _plain(name: str) -> str:
    """What two names of one model have in common: `meta-llama/Llama-3.1-8B-Instruct` is `llama-3.1-8b`."""
    return name.rsplit("/", maxsplit=1)[-1].lower().removeprefix("meta-").removesuffix("-instruct")


@lru_cache(maxsize=256)
def _engine(model: str, system: str, tp: int, pp: int, experts: int) -> Any:
    """The compiled engine, or None where the package can't make one."""
    from aiconfigurator_core.sdk.engine import EngineHandle  # noqa: PLC0415 - an optional extra

    handle: Any = EngineHandle
    try:
        return handle.compile(
            model, system, "vllm", tp_size=tp, pp_size=pp, moe_tp_size=max(1, tp // experts), moe_ep_size=experts
        )
    except Exception:  # noqa: BLE001 - it raises errors of many kinds for what it can't split or has no table of
        return None

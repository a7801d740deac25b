"""Search spaces that several tests use."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import TypeVar

from autoscout.space.expression import Expression
from autoscout.space.parameter import Kind, Parameter
from autoscout.space.search_space import SearchSpace
from autoscout.space.values import Value

Thing = TypeVar("Thing")


def sent(thing: Thing) -> Thing:
    """As another process receives it."""
    received: Thing = pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own
    return received


def parameter(name: str, values: Iterable[Value], default: Value | None = None, when: str | None = None) -> Parameter:
    """A parameter; its default is the first value unless given."""
    values = tuple(values)
    return Parameter(
        name,
        Kind.STRUCTURAL,
        values,
        values[0] if default is None else default,
        Expression(when) if when else None,
    )


def space(*parameters: Parameter, constraints: Iterable[str] = ()) -> SearchSpace:
    return SearchSpace(parameters, tuple(Expression(source) for source in constraints))


POWERS = tuple(2**exponent for exponent in range(11))

PARALLEL = space(
    parameter("tp", [1, 2, 4, 8]),
    parameter("pp", [1, 2, 4, 8]),
    parameter("dp", [1, 2, 4, 8], default=8),
    parameter("vpp", [1, 2, 4, 5, 8, 10], when="pp > 1"),
    parameter("tpc", ["ar", "rs_ag"], when="tp > 1"),
    parameter("redo", [False, True], when="tp > 1 && tpc == 'rs_ag'"),
    constraints=["tp * pp * dp == 8", "(40 / pp) % vpp == 0"],
)
"""A small training space: a product to keep, divisibility, and conditions of conditions."""

MEGATRON = space(
    parameter("tp", POWERS[:4]),
    parameter("pp", POWERS[:7]),
    parameter("cp", POWERS[:5]),
    parameter("ep", POWERS[:6]),
    parameter("dp", POWERS, default=1024),
    parameter("sp", [False, True], when="tp > 1"),
    parameter("ar", ["none", "selective", "full"]),
    parameter("ar_method", ["uniform", "block"], when="ar == 'full'"),
    parameter("ar_layers", range(1, 13), when="ar == 'full'"),
    parameter("mbs", [1, 2, 4, 8, 16]),
    parameter("vpp", [1, 2, 3, 4, 6, 8, 12], when="pp > 1"),
    parameter("ddp_buckets", range(1, 65), when="dp > 1", default=64),
    parameter("tp_comm_sms", range(12, 21), when="tp > 1"),
    parameter("bucket_mb", range(1, 9), when="dp > 1"),
    parameter("zero1", [False, True], when="dp > 1"),
    parameter("overlap_grad", [False, True], when="dp > 1"),
    parameter("overlap_param", [False, True], when="overlap_grad && zero1"),
    parameter("tpo", ["none", "ring", "pipe"], when="tp > 1 && sp"),
    parameter("fused", [False, True]),
    parameter("cuda_graph", [False, True]),
    constraints=[
        "tp * pp * cp * dp == 1024",
        "dp * cp % ep == 0",
        "2048 % (dp * mbs) == 0",
        "96 % pp == 0 && (96 / pp) % vpp == 0",
        "tp * cp * ep <= 256",
        "!(fused && cuda_graph)",
        "ar_layers <= 96 / pp",
        "ep == 1 || tp == 1 || sp",
        "dp <= ddp_buckets * 32",
    ],
)
"""More than 10^9 configurations on 1,024 GPUs."""

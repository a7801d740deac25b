"""The name of the first node, which a cluster's DNS may not know yet when its pod starts."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable

from autoscout_profiler.errors import InfrastructureError

PATIENCE_SECONDS = 60


def _addresses(name: str) -> object:
    """Of either version of IP."""
    return socket.getaddrinfo(name, None)


def await_name(
    name: str,
    resolve: Callable[[str], object] = _addresses,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a name leads somewhere: vLLM listens at it, and asks for its address only once.

    Args:
        name: or an address, which needs no waiting.
        resolve: raises OSError where the name is not known.
        pause: waits so many seconds.

    Raises:
        InfrastructureError: it is not known after a minute.
    """
    for second in itertools.count():
        try:
            resolve(name)
        except OSError as error:
            if second >= PATIENCE_SECONDS:
                raise InfrastructureError(f"{name}: no address after {second} s: {error}") from error
            pause(1.0)
        else:
            return

"""What is started, before it is written for a shell or for Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

NODE_RANK = "NODE_RANK"
"""Variable: number of this node, from 0."""
MASTER_ADDRESS = "MASTER_ADDR"
"""Variable: where the first node can be reached."""
FILES = "\0{FILES}"
"""In a word: the folder that holds the program's files."""

_VARIABLES = (NODE_RANK, MASTER_ADDRESS)
_REFERENCE = re.compile(f"\0{{({'|'.join(_VARIABLES)})}}")


def variable(name: str) -> str:
    """In a word: the value of `NODE_RANK` or `MASTER_ADDRESS` where it is started."""
    return f"\0{{{name}}}"


def pieces(word: str) -> Iterator[tuple[str, bool]]:
    """The parts of a word in their order: (text, False), or (name of a `variable`, True). None is empty.

    What is no reference to one of these variables is text, to be quoted: a user's word may hold a NUL too.
    """
    for position, text in enumerate(_REFERENCE.split(word)):
        if text:
            yield text, position % 2 == 1


class LaunchError(ValueError):
    """A configuration that its framework can't be started with.

    Attributes:
        field: the parameter, or a field of the workload (`workload.sequenceLength`).
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


@dataclass(frozen=True)
class Program:
    """A command line and what belongs to it.

    Attributes:
        groups: the words; those of one group (a flag and its values) stay on one line.
        environment: variables that it is started with.
        variables: those whose value only the place knows: name to what it is.
        files: name to text, written before it is started.
        nodes: on each of which it is started once.
        others: words that follow on all nodes but the first.
        gpus: that it needs on each node.
        shares_memory: whether its processes on a node exchange data through `/dev/shm`.
        port: where it serves; None: it ends by itself.
        in_image: whether the words follow the entry point of the image, and are no command line by themselves.
        notes: what a person should know before starting it.
    """

    groups: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 1
    others: tuple[str, ...] = ()
    gpus: int = 0
    shares_memory: bool = False
    port: int | None = None
    in_image: bool = False
    notes: tuple[str, ...] = ()

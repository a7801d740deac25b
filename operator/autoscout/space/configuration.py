"""A point of the search space, in canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from autoscout.space.values import Value


@dataclass(frozen=True)
class Configuration(Mapping[str, Value]):
    """The values of the active parameters, and of those only.

    Canonical: the items follow the order of the search space's parameters and each value is the element of
    that parameter's grid. Only `SearchSpace` makes one, so two equal settings are equal objects with equal
    fingerprints, however they were written.

    Attributes:
        items_: (parameter name, value), in the order of the space.
    """

    items_: tuple[tuple[str, Value], ...]

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.items_)

    def __len__(self) -> int:
        return len(self.items_)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __eq__(self, other: object) -> bool:
        # Mapping's own comparison would hold True and 1 for the same value.
        return isinstance(other, Configuration) and self.fingerprint == other.fingerprint

    @cached_property
    def _values(self) -> dict[str, Value]:
        return dict(self.items_)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name this configuration: SHA-256 of its JSON with sorted keys."""
        text = json.dumps(dict(self.items_), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

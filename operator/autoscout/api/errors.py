"""What is wrong with an object, in the words of whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One thing to correct.

    Attributes:
        field: the path as it stands in the YAML: `spec.searchSpace.parameters[2].values`.
        message: what is wrong and the way out.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(Exception):
    """An object that can't be used, where a value to return would say less.

    Attributes:
        errors: at least one.
    """

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(map(str, self.errors)))

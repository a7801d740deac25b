"""Types of single fields: each with the limits that the API server and pydantic both keep."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import PlainValidator, Strict, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from autoscout.space.values import Value

MAX_EXACT = 2**53 - 1
"""Beyond it JSON (a double) can't tell neighbouring integers apart."""
MAX_NUMBER = 10**15
MAX_VALUE_LENGTH = 256
MAX_MESSAGE = 4096
MAX_REASON = 128

ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
"""Schema of a value that may be of any scalar type: a structural schema has no union but int-or-string."""

Integer = Annotated[int, Strict()]
Text = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Description = Annotated[str, StringConstraints(max_length=1024)]
Message = Annotated[str, StringConstraints(max_length=MAX_MESSAGE)]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
"""A DNS label."""
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that may stand in an expression and in the name of an environment variable."""
CelText = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


def _scalar(value: Any) -> Value:
    if not isinstance(value, bool | int | float | str):
        raise PydanticCustomError("scalar", "must be a boolean, a number or a string")
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        raise PydanticCustomError("scalar", "must lie between -2^53 and 2^53: JSON loses digits of larger integers")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("scalar", "must be finite")
    if isinstance(value, str) and len(value) > MAX_VALUE_LENGTH:
        raise PydanticCustomError("scalar", "must be at most {most} characters", {"most": MAX_VALUE_LENGTH})
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "must be a number, such as 8 or 0.5 (without quotes)")
    if not abs(value) <= MAX_NUMBER:
        raise PydanticCustomError("number", "must lie between -1e15 and 1e15")
    return value


Scalar = Annotated[Value, PlainValidator(_scalar), WithJsonSchema(ANYTHING)]
"""The value of a parameter."""
# The API server lets a null inside an untyped list pass; were it not nullable, CEL could not compare the list, and
# every later update would fail, that of the status too, so that nobody would learn what is wrong.
ScalarItem = Annotated[Scalar, WithJsonSchema(ANYTHING | {"nullable": True})]
"""The value of a parameter, in a list."""

Number = Annotated[
    int | float,
    PlainValidator(_number),
    WithJsonSchema({"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}),
]
"""A number that stays an integer when it was written as one."""

OpenMap = Annotated[dict[str, Any], WithJsonSchema({"type": "object"} | ANYTHING)]
"""Somebody else's fields."""

WORDS = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (
        "must consist of lower-case letters, digits and dashes, and begin and end with a letter or digit"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must consist of letters, digits and underscores, and not begin with a digit",
    r"^\S+$": "must not hold blanks",
    r"^/.*[^/]$": "must be the absolute path of a file, such as /data/tokens.bin",
    r"^[a-z][-a-z0-9]*$": "must consist of lower-case letters, digits and dashes, and begin with a letter",
}
"""What a pattern asks for."""

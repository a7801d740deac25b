"""Numbers and times as users write them, kept as they were written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# As many digits as it takes to write any double.
_QUANTITY = r"^-?[0-9]{1,18}([.][0-9]{1,24})?([eE][-+]?[0-9]{1,3})?$"
_DURATION = r"^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$"
_MAX_INTEGER = 10**15


def _schema(parse: Callable[[Any], Any], spelling: Callable[[Any], Any]) -> CoreSchema:
    return core_schema.no_info_plain_validator_function(
        parse, serialization=core_schema.plain_serializer_function_ser_schema(spelling)
    )


@dataclass(frozen=True)
class Quantity:
    """An integer or a decimal in a string: `40`, `"0.5"`, `"1.5e-3"`. No floats: YAML and JSON rewrite them.

    Attributes:
        spelling: as the user wrote it.
    """

    spelling: int | str

    @property
    def number(self) -> float:
        return float(self.spelling)

    def __str__(self) -> str:
        return str(self.spelling)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """From YAML or JSON.

        Raises:
            PydanticCustomError: it is neither an integer nor a decimal in a string.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, float):
            raise PydanticCustomError("quantity", "write the number in quotes: {text}", {"text": f'"{value!r}"'})
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise PydanticCustomError("quantity", 'must be an integer or a decimal in quotes, such as 40 or "0.5"')
        if isinstance(value, int) and abs(value) > _MAX_INTEGER:
            raise PydanticCustomError("quantity", "must lie between -1e15 and 1e15")
        if isinstance(value, str) and not re.fullmatch(_QUANTITY, value, re.ASCII):
            raise PydanticCustomError("quantity", 'must be a decimal number without a unit, such as 40 or "0.5"')
        if not math.isfinite(float(value)):
            raise PydanticCustomError("quantity", "must be finite")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(cls.parse, lambda quantity: quantity.spelling)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
            "maxLength": 50,
            "minimum": -_MAX_INTEGER,
            "maximum": _MAX_INTEGER,
        }


class _Bound:
    """Narrows a quantity; the same limit for the API server (a CEL rule) and for pydantic."""

    def __init__(self, *, zero: bool) -> None:
        self.zero = zero
        self.message = "must not be negative" if zero else "must be greater than 0"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        rule = f"double(string(self)) {'>=' if self.zero else '>'} 0.0"
        return handler(schema) | {"x-kubernetes-validations": [{"rule": rule, "message": self.message}]}

    def _check(self, quantity: Quantity) -> Quantity:
        if quantity.number < 0 or (quantity.number == 0 and not self.zero):
            raise PydanticCustomError("quantity", self.message)
        return quantity


NonNegative = Annotated[Quantity, _Bound(zero=True)]
Positive = Annotated[Quantity, _Bound(zero=False)]


class Duration(str):
    """A time span: hours, minutes, seconds, in this order: `90s`, `15m`, `2h30m`. Longer than zero."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        units = {"h": 3600, "m": 60, "s": 1}
        return float(sum(int(count) * units[unit] for count, unit in re.findall(r"([0-9]+)([hms])", self)))

    @classmethod
    def parse(cls, value: Any) -> Self:
        """From YAML or JSON.

        Raises:
            PydanticCustomError: it is no duration, or zero.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not value or not re.fullmatch(_DURATION, value, re.ASCII):
            raise PydanticCustomError("duration", "must be a duration in hours, minutes, seconds: 90s, 15m or 2h30m")
        duration = cls(value)
        if duration.seconds <= 0:
            raise PydanticCustomError("duration", "must be longer than zero, such as 90s, 15m or 2h30m")
        return duration

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(cls.parse, str)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        rule = {
            "rule": "duration(self) > duration('0s')",
            "message": "must be longer than zero, such as 90s, 15m or 2h30m",
        }
        return {
            "type": "string",
            "pattern": _DURATION,
            "minLength": 2,
            "maxLength": 20,
            "x-kubernetes-validations": [rule],
        }

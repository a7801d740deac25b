"""The base of every API object: how it is spelled, and the CEL rules that both sides check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Rule:
    """A check across fields, in CEL: the API server runs it, and so does `rules.broken_rules` without a cluster.

    Attributes:
        rule: CEL over `self`; with `oldSelf` it judges an update and only the API server runs it.
        message: what is wrong and the way out; names the field.
        field: path below the object that carries the rule (`.profile.command`); empty: the object itself.
        reason: as the API server reports it.
    """

    rule: str
    message: str
    field: str = ""
    reason: str = "FieldValueInvalid"

    @property
    def of_update(self) -> bool:
        return "oldSelf" in self.rule

    def to_schema(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message, "reason": self.reason}
        return entry | ({"fieldPath": self.field} if self.field else {})


class Model(BaseModel):
    """camelCase in YAML, snake_case in Python, unchangeable; an unknown field is an error.

    A field that is `null` counts as left out, as it does for the API server.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            result["x-kubernetes-validations"] = [rule.to_schema() for rule in cls.rules]
        return result

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong across fields and can't be a CEL rule: (field below this object, what is wrong)."""
        yield from ()

    def manifest(self) -> dict[str, Any]:
        """As JSON-ready data, spelled as in YAML, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def parts(self) -> Iterator[tuple[str, Model]]:
        """This object and every API object inside it, each with its path (`.budget`, `.parameters[2].range`)."""
        yield "", self
        for name, field in type(self).model_fields.items():
            value, path = getattr(self, name), f".{field.alias}"
            items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
            for index, item in items:
                if isinstance(item, Model):
                    place = path if index is None else f"{path}[{index}]"
                    yield from ((place + below, part) for below, part in item.parts())


class StatusModel(Model):
    """A part of a status. The operator wrote it, perhaps a newer one: what this version doesn't know it skips."""

    model_config = ConfigDict(extra="ignore")

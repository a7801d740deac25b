"""What the API server checks across fields, checked here too, from the same sources: CEL rules and list keys."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import cel

from autoscout.api.errors import FieldError
from autoscout.api.model import Model


def broken_rules(model: Model) -> Iterator[FieldError]:
    """Every rule about the object as it is (not about its changes) that the model or a part of it breaks."""
    for path, part in model.parts():
        yield from _duplicates(path, part)
        yield from (FieldError((path + field).removeprefix("."), message) for field, message in part.faults())
        rules = [rule for rule in type(part).rules if not rule.of_update]
        if rules:
            value = part.manifest()
            for rule in rules:
                if _program(rule.rule).execute({"self": value}) is not True:
                    yield FieldError((path + rule.field).removeprefix("."), rule.message)


@cache
def _program(source: str) -> Any:
    return cel.compile(source)


def _duplicates(path: str, model: Model) -> Iterator[FieldError]:
    """Entries of a list that is a map by one of its fields, where two have the same key."""
    for name, field in type(model).model_fields.items():
        extra = field.json_schema_extra
        keys = extra.get("x-kubernetes-list-map-keys") if isinstance(extra, dict) else None
        if not isinstance(keys, list):
            continue
        (key,) = map(str, keys)
        seen: dict[object, int] = {}
        for index, item in enumerate(getattr(model, name)):
            value = getattr(item, key)
            first = seen.setdefault(value, index)
            if first != index:
                place = f"{path}.{field.alias}[{index}].{key}".removeprefix(".")
                yield FieldError(place, f"{value!r} is a duplicate of {field.alias}[{first}].{key}: use another {key}")

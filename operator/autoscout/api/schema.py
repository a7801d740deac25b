"""From pydantic's JSON schema to the structural OpenAPI v3 schema that a CRD asks for."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_ORDER = (
    *("description", "type", "format", "default", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("minItems", "maxItems", "maxProperties", "required", "anyOf", "oneOf", "not", "properties"),
    *("additionalProperties", "items"),
)
"""Reading order; what is not named here follows by name."""


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model: no references, no unions, no titles."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    result: Schema = {}
    for key, value in _resolve(schema, definitions).items():
        if key == "properties":
            result[key] = {name: _convert(part, definitions) for name, part in value.items()}
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            result[key] = _convert(value, definitions)
        else:
            result |= _keyword(key, value)
    if result.get("type") == "object" and "default" in result and "properties" in result:
        # The defaults of the properties follow by themselves.
        result["default"] = {}
    return _ordered(result)


def _keyword(key: str, value: Any) -> Schema:
    match key, value:
        # `additionalProperties: false` is what a structural schema says anyway: what it doesn't list is refused.
        case ("title" | "$defs" | "additionalProperties", _) | ("default", None):
            return {}
        case "const", _:
            return {"enum": [value]}
        case "description", _:
            return {key: " ".join(value.split())}
    return {key: value}


def _resolve(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follow references and drop `null`; what stands beside a reference wins over what it refers to.

    Only pydantic's unions with `null` are resolved: an `anyOf` of our own stays.
    """
    while "$ref" in schema or {"type": "null"} in schema.get("anyOf", ()):
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        if "$ref" in schema:
            target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        else:
            (target,) = (option for option in schema["anyOf"] if option != {"type": "null"})
        schema = target | beside
    return schema


def _ordered(schema: Schema) -> Schema:
    known = {key: schema[key] for key in _ORDER if key in schema}
    return known | {key: schema[key] for key in sorted(schema) if key not in known}

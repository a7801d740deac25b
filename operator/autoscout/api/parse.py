"""From any document to a model or to errors. Total: no object, however odd, raises."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from autoscout.api.errors import FieldError
from autoscout.api.fields import WORDS
from autoscout.api.model import Model
from autoscout.api.names import API_VERSION
from autoscout.api.plain import Path, kind, not_json, path_text
from autoscout.api.rules import broken_rules
from autoscout.api.schema import Schema, structural
from autoscout.api.tuning_job import TuningJob
from autoscout.api.tuning_trial import TuningTrial

MAX_ERRORS = 50

_M = TypeVar("_M", bound=Model)


def load(document: object) -> TuningJob | list[FieldError]:
    """A TuningJob from parsed YAML or JSON; errors are all that the API server would find, at most 50."""
    return _load(document, TuningJob)


def load_trial(document: object) -> TuningTrial | list[FieldError]:
    """A TuningTrial from parsed YAML or JSON."""
    return _load(document, TuningTrial)


def _load(document: object, model: type[_M]) -> _M | list[FieldError]:
    if not isinstance(document, dict):
        return [FieldError("", f"must be a {model.__name__} (a mapping), not {kind(document)}")]
    odd = _first(not_json(document))
    if odd:
        return odd
    try:
        parsed = model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
        if all(detail["loc"][0] == "status" for detail in details) and document.get("status") != {}:
            # Only the operator writes the status; a damaged one must not keep it from writing a sound one.
            return _load(document | {"status": {}}, model)
        return _first(_explain(detail, document, model) for detail in details if not _follows(detail, details))
    return _first(broken_rules(parsed)) or parsed


def _first(errors: Iterator[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(islice(errors, MAX_ERRORS)))


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because pydantic left out the items that are wrong."""
    place = detail["loc"]
    inside = (each for each in details if each is not detail and each["loc"][: len(place)] == place)
    return detail["type"] == "too_short" and any(inside)


def _explain(detail: ErrorDetails, document: Mapping[str, Any], model: type[Model]) -> FieldError:
    path: Path = ()
    here: Any = document
    for part in detail["loc"]:
        # Besides keys and indices, pydantic's location names the branches of a union: those are not in the document.
        inside = _item(here, part)
        if inside is not None:
            here = inside[0]
            path = (*path, part)
        elif detail["type"] == "missing" and part == detail["loc"][-1]:
            path = (*path, part)
    if detail["type"] == "missing":
        return FieldError(path_text(path), _missing(path, model))
    if detail["type"] == "extra_forbidden":
        return FieldError(path_text(path), _unknown(path, model))
    message = _MESSAGES.get(detail["type"])
    return FieldError(path_text(path), message(detail["input"], detail.get("ctx", {})) if message else detail["msg"])


def _item(container: Any, part: int | str) -> tuple[Any] | None:
    if isinstance(container, dict):
        return (container[part],) if part in container else None
    return (container[part],) if isinstance(container, list) and isinstance(part, int) else None


_MESSAGES: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "literal_error": lambda _, context: f"must be {context['expected'].replace(chr(39), '')}",
    "int_type": lambda value, _: f"must be an integer, not {kind(value)}",
    "bool_type": lambda value, _: f"must be true or false, not {kind(value)}",
    "float_type": lambda value, _: f"must be a number, not {kind(value)}",
    "string_type": lambda value, _: f"must be a string, not {kind(value)}",
    "model_type": lambda value, _: f"must be a mapping, not {kind(value)}",
    "dict_type": lambda value, _: f"must be a mapping, not {kind(value)}",
    "tuple_type": lambda value, _: f"must be a list, not {kind(value)}",
    "greater_than_equal": lambda value, context: f"must be at least {context['ge']}, not {_short(value)}",
    "less_than_equal": lambda value, context: f"must be at most {context['le']}, not {_short(value)}",
    "string_pattern_mismatch": lambda value, context: (
        f"{WORDS.get(context['pattern'], 'must match ' + context['pattern'])}, not {_short(value)}"
    ),
    "string_too_short": lambda _value, _context: "must not be empty",
    "string_too_long": lambda value, context: (
        f"must be at most {context['max_length']} characters long, not {len(value)}"
    ),
    "too_short": lambda _, context: f"must have at least {context['min_length']} item(s)",
    "too_long": lambda value, context: f"must have at most {context['max_length']} items, not {len(value)}",
}


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _missing(path: Path, model: type[Model]) -> str:
    constants = {("apiVersion",): API_VERSION, ("kind",): model.__name__}
    if path in constants:
        return f"is required: {path[0]}: {constants[path]}"
    words = _schema_at(model, path).get("description", "")
    return f"is required. {words}" if words else "is required"


def _unknown(path: Path, model: type[Model]) -> str:
    known = list(_schema_at(model, path[:-1]).get("properties", {}))
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"unknown field; did you mean {near[0]}?" if near else f"unknown field; there are: {', '.join(known)}"


@cache
def _schema(model: type[Model]) -> Schema:
    return structural(model)


def _schema_at(model: type[Model], path: Path) -> Schema:
    schema = _schema(model)
    for part in path:
        inside = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = inside or {}
    return schema

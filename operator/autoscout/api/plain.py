"""Is it JSON? YAML can say dates, sets, keys of any type and structures that contain themselves; the API can't."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from autoscout.api.errors import FieldError

MAX_NODES = 200_000
MAX_DEPTH = 64

Path = tuple[str | int, ...]
"""Keys and indices, from the root of the document."""

_KINDS: dict[type, str] = {
    type(None): "nothing",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}


def kind(value: object) -> str:
    """What a value is, in the words of a message: `a list`."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def path_text(path: Path) -> str:
    """`('spec', 'pools', 0, 'name')` as `spec.pools[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w./-]{1,100}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part[:100]!r}]"
    return text


def not_json(document: object) -> Iterator[FieldError]:
    """Every value that JSON can't hold, and a document that is too large or too deep to be looked at.

    It walks rather than recurses without end: aliases of YAML can make a value that contains itself.
    """
    left = MAX_NODES
    waiting: list[Iterator[tuple[Path, object]]] = [iter([((), document)])]
    while waiting:
        path, value = next(waiting[-1], (None, None))
        if path is None:
            waiting.pop()
            continue
        left -= 1
        if left < 0:
            yield FieldError(path_text(path[:2]), f"the object is too large: more than {MAX_NODES} values")
            return
        if len(path) > MAX_DEPTH:
            yield FieldError(path_text(path[:4]), f"is nested more than {MAX_DEPTH} levels deep")
            return
        if isinstance(value, dict):
            yield from _keys(path, value)
        elif not isinstance(value, list):
            yield from _leaf(path, value)
        waiting.append(iter(_inside(path, value)))


def texts(document: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string of what `not_json` found nothing wrong with, and every key: at its own path."""
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, dict):
        yield from (((*path, key), key) for key in document)
    for inside, value in _inside(path, document):
        yield from texts(value, inside)


def _inside(path: Path, value: object) -> Iterable[tuple[Path, object]]:
    if isinstance(value, dict):
        return (((*path, key), item) for key, item in value.items() if isinstance(key, str))
    if isinstance(value, list):
        return (((*path, index), item) for index, item in enumerate(value))
    return ()


def _keys(path: Path, value: dict[object, object]) -> Iterator[FieldError]:
    for key in value:
        if not isinstance(key, str):
            yield FieldError(path_text((*path, str(key))), f"a key must be a string, not {kind(key)}: put it in quotes")


def _leaf(path: Path, value: object) -> Iterator[FieldError]:
    if isinstance(value, float) and not math.isfinite(value):
        yield FieldError(path_text(path), "must be finite")
    elif isinstance(value, str) and not _encodes(value):
        yield FieldError(path_text(path), "holds half of a surrogate pair, which is no text")
    elif value is not None and not isinstance(value, bool | int | float | str):
        yield FieldError(path_text(path), f"must not be {kind(value)}: put it in quotes to make it a string")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

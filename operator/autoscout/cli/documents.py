"""YAML as kubectl reads it. PyYAML alone takes 1e3 for a string, 12:30 for a number, and the last of two equal keys."""

from __future__ import annotations

import re
from pathlib import Path

import yaml


def documents(file: Path) -> list[object]:
    """The YAML documents of a file, empty ones left out.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no YAML; the message says where.
    """
    try:
        return [document for document in yaml.load_all(file.read_bytes(), _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"is no YAML: {error.problem}{where}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {error}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def only_document(file: Path) -> object:
    """The one YAML document of a file.

    Raises:
        ValueError: it can't be read, is no YAML, or there are none or several; the message names the file.
    """
    try:
        found = documents(file)
    except OSError as error:
        raise ValueError(f"{file}: can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if len(found) != 1:
        raise ValueError(f"{file}: holds {len(found)} YAML documents; exactly one TuningJob is needed")
    return found[0]


class _Loader(yaml.SafeLoader):
    """No dates, no numbers in base 60, floats as in JSON, no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class above declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*|0o?[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
    ),
    list("-+.0123456789"),
)

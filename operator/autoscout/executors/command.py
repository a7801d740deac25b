"""From a command template and a configuration to the exact argument list and environment of one measurement. Pure.

The syntax of placeholders is specified in docs/architecture.md, "Placeholders of a command".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoscout.executors.interpreters import scripts
from autoscout.space.values import Value
from autoscout.space.values import render as text_of

RESERVED = "AUTOSCOUT_"
"""Variables that begin with this are ours."""
TERMINATION_VARIABLE = "AUTOSCOUT_TERMINATION_PATH"
TRIAL_VARIABLE = "AUTOSCOUT_TRIAL"

_TOKEN = re.compile(r"(?P<escape>\$\$\(params\.)|\$\(params\.(?P<name>[^)]*)\)")


class PlaceholderError(ValueError):
    """A template that can't be filled.

    Attributes:
        field: where, below `spec`: `profile.args[2]`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True)
class RenderedCommand:
    """What is started, to the byte. No shell, no variable expansion follows.

    Attributes:
        command: replaces the entry point of the image; empty: the image's own.
        args: follow it.
        env: the profile's own variables, in the order of the template.
    """

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command line."""
        return self.command + self.args


def render(
    command: Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str],
    configuration: Mapping[str, Value],
    parameters: Sequence[str],
) -> RenderedCommand:
    """Fill in the values of one configuration.

    `$(params.NAME)` becomes the value inside its argument; an argument or variable that names an inactive parameter
    is left out; `$$(params.NAME)` stands for the text `$(params.NAME)`. All else stays as it is.

    Args:
        command: `profile.command`.
        args: `profile.args`.
        env: `profile.env`, name to value.
        configuration: the active parameters.
        parameters: the names of all parameters of the space.

    Raises:
        PlaceholderError: as `check`, or a value holds a character that no argument can hold.
    """
    check(command, args, env, parameters)
    rendered = [
        (field, bool(_names(template)), _fill(field, template, configuration))
        for field, template in _words(command, args)
    ]
    kept = [(field, holds, word) for field, holds, word in rendered if word is not None]
    _refuse_scripts([(field, holds) for field, holds, _ in kept], [word for _, _, word in kept])
    count = sum(field.startswith("profile.command") for field, _, _ in kept)
    words = tuple(word for _, _, word in kept)
    variables = {name: _fill(f"profile.env[{name}]", value, configuration) for name, value in env.items()}
    return RenderedCommand(
        words[:count], words[count:], {name: value for name, value in variables.items() if value is not None}
    )


def check(command: Sequence[str], args: Sequence[str], env: Mapping[str, str], parameters: Sequence[str]) -> None:
    """Check a template without any configuration, so that a job is refused before anything runs.

    Raises:
        PlaceholderError: a placeholder names no parameter, stands in the script of an interpreter or for the program
            itself; or a variable's name is reserved.
    """
    words = _words(command, args)
    variables = [(f"profile.env[{name}]", value) for name, value in env.items()]
    for field, template in (*words, *variables):
        for name in _names(template):
            if name not in parameters:
                known = ", ".join(parameters) or "none"
                raise PlaceholderError(field, f"$(params.{name}) names no parameter of searchSpace; there are: {known}")
    if words and _names(words[0][1]):
        raise PlaceholderError(
            words[0][0],
            "the program itself can't be a placeholder: name a program that takes the value as its argument",
        )
    _refuse_scripts([(field, bool(_names(template))) for field, template in words], [template for _, template in words])
    for name in env:
        if name.startswith(RESERVED):
            raise PlaceholderError(f"profile.env[{name}]", f"names that begin with {RESERVED} are reserved")
    upper: dict[str, str] = {}
    for name in parameters:
        if upper.setdefault(name.upper(), name) != name:
            raise PlaceholderError(
                "searchSpace.parameters",
                f"{upper[name.upper()]!r} and {name!r} share the variable {_variable(name)}: rename one of them",
            )


def environment(
    *,
    trial: str,
    attempt: int,
    configuration: Mapping[str, Value],
    workload: Mapping[str, Any],
    hardware: Mapping[str, Any],
    warmup_iterations: int | None,
    iterations: int | None,
    termination_path: str,
) -> dict[str, str]:
    """The variables that every measurement gets.

    Args:
        trial: the trial's name, `<job>-<number>`; its frames carry it.
        attempt: 0 for the first run of the trial.
        configuration: the active parameters.
        workload: `spec.workload`, with the architecture of a model that is known by its name.
        hardware: what one measurement has: `gpu` (the product, None: no GPU), `nodes`, `gpusPerNode`.
        warmup_iterations: None: the program's own default; so for `iterations`.
        iterations: to be measured.
        termination_path: the file that takes the last frame.
    """
    description = {
        "trial": trial,
        "attempt": attempt,
        "configuration": dict(configuration),
        "workload": dict(workload),
        "hardware": dict(hardware),
        "warmupIterations": warmup_iterations,
        "iterations": iterations,
    }
    return {
        TRIAL_VARIABLE: json.dumps(description, separators=(",", ":")),
        TERMINATION_VARIABLE: termination_path,
    } | {_variable(name): text_of(value) for name, value in configuration.items()}


def literal(text: str) -> str:
    """`text` so that the kubelet, which expands `$(NAME)` in commands and variables, hands over exactly `text`."""
    return text.replace("$", "$$")


def _words(command: Sequence[str], args: Sequence[str]) -> list[tuple[str, str]]:
    return [
        *((f"profile.command[{index}]", word) for index, word in enumerate(command)),
        *((f"profile.args[{index}]", word) for index, word in enumerate(args)),
    ]


def _names(template: str) -> list[str]:
    """The parameters that a template names."""
    return [match["name"] for match in _TOKEN.finditer(template) if match["name"] is not None]


def _fill(field: str, template: str, configuration: Mapping[str, Value]) -> str | None:
    """The template with its values, or None if it names an inactive parameter."""
    if any(name not in configuration for name in _names(template)):
        return None

    def replacement(match: re.Match[str]) -> str:
        return "$(params." if match["name"] is None else text_of(configuration[match["name"]])

    text = _TOKEN.sub(replacement, template)
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise PlaceholderError(field, "holds half of a surrogate pair, which no argument can hold") from error
    if b"\0" in encoded:
        raise PlaceholderError(field, "holds a NUL character, which no argument can hold")
    return text


def _refuse_scripts(places: Sequence[tuple[str, bool]], words: Sequence[str]) -> None:
    """Refuse code that is put together from values; `places` says for each word its field and if it names any."""
    for position in sorted(scripts(words)):
        if position < len(places) and places[position][1]:
            field = places[position][0]
            raise PlaceholderError(
                field,
                "a placeholder inside the script of an interpreter would be run as code: pass it as an argument behind "
                "the script (sh -c 'exec bench --x=\"$1\"' sh '$(params.x)') or read AUTOSCOUT_PARAM_<NAME> there",
            )


def _variable(name: str) -> str:
    return f"{RESERVED}PARAM_{name.upper()}"

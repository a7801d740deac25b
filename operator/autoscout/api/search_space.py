"""The search space as it is written: `spec.searchSpace`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from autoscout.api.fields import CelText, Description, Identifier, Number, Scalar, ScalarItem
from autoscout.api.model import Model, Rule

MAX_PARAMETERS = 64
MAX_VALUES = 1000


class Range(Model):
    """An ordered grid: from min on by adding `step` or multiplying with `factor`, up to max."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.max >= self.min", "max must not be less than min", ".max"),
        Rule("has(self.step) != has(self.factor)", "give either step or factor: step adds, factor multiplies", ".step"),
        Rule("!has(self.step) || self.step > 0.0", "step must be greater than 0", ".step"),
        Rule("!has(self.factor) || self.factor > 1.0", "factor must be greater than 1", ".factor"),
        Rule("!has(self.factor) || self.min > 0.0", "min must be greater than 0 where factor is given", ".min"),
        Rule(
            "!has(self.step) || self.step <= 0.0 || "
            f"(double(self.max) - double(self.min)) / double(self.step) < {MAX_VALUES}.0",
            f"step is too small: a range has at most {MAX_VALUES} values",
            ".step",
        ),
    )

    min: Number = Field(description="First value. Example: 32.")
    max: Number = Field(description="No value is greater; it is a value itself when the grid meets it. Example: 256.")
    step: Number | None = Field(None, description="Added from one value to the next. Example: 32 gives 32, 64, 96, ...")
    factor: Number | None = Field(
        None, description="Multiplied from one value to the next. Example: 2 gives 32, 64, 128, 256."
    )


class ParameterSpec(Model):
    """One knob. With a preset, an entry with the name of one of its knobs changes what it says and leaves the rest."""

    name: Identifier = Field(
        description="Name in expressions, placeholders $(params.NAME) and AUTOSCOUT_PARAM_NAME. Example: tp."
    )
    kind: Literal["structural", "execution"] | None = Field(
        None,
        description=(
            "structural: a choice that changes how the work is organised (parallelism, recomputation, layout); "
            "execution: an ordered grid that fine-tunes it (micro-batch size, tile size). Required, except for a knob "
            "of the preset."
        ),
    )
    values: Annotated[tuple[ScalarItem, ...], Field(min_length=1, max_length=MAX_VALUES)] | None = Field(
        None,
        description=(
            "The values to choose from: booleans, numbers or strings, all of one type, in order. Give either values or "
            "range; for a knob of the preset neither keeps its values, a single one fixes it. Example: [1, 2, 4, 8]."
        ),
    )
    range: Range | None = Field(
        None,
        description=(
            "The values as a grid of numbers. Give either values or range. Example: {min: 1, max: 64, factor: 2}."
        ),
    )
    default: Scalar | None = Field(
        None,
        description=(
            "The value that an expert would set; one of the values. All defaults together are measured first and are "
            "the base of the speed-up. An inactive parameter reads as its default in expressions. Required, except for "
            "a knob of the preset: left out, the preset chooses one that holds together with the others."
        ),
    )
    active_when: CelText | None = Field(
        None,
        description=(
            "CEL expression over the other parameters: the parameter exists only where it is true. Left out: always. "
            "Example: tp > 1 && tpc == 'rs_ag'."
        ),
    )
    description: Description | None = Field(None, description="What the knob does, for whoever reads the result.")

    # Not a CEL rule: values of any type have no CEL type, so a rule can't name them.
    model_config = ConfigDict(json_schema_extra={"not": {"required": ["values", "range"]}})

    @model_validator(mode="after")
    def _not_values_and_range(self) -> Self:
        if self.values is not None and self.range is not None:
            raise PydanticCustomError("one_of", "give either values or range, and not both")
        return self


class SearchSpaceSpec(Model):
    """What may be changed, and which combinations are valid."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.preset) || size(self.parameters) > 0",
            "parameters must hold at least one parameter",
            ".parameters",
            "FieldValueRequired",
        ),
    )
    # What a preset may supply is required without one. Again no CEL rule, for the same reason.
    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["preset"]},
                {
                    "properties": {
                        "parameters": {
                            "items": {
                                "required": ["kind", "default"],
                                "oneOf": [{"required": ["values"]}, {"required": ["range"]}],
                            }
                        }
                    }
                },
            ]
        }
    )

    preset: Literal["megatron", "vllm"] | None = Field(
        None,
        description=(
            "The built-in space of a framework, derived from workload.model and the first pool of GPUs. parameters and "
            "constraints change it: fix, narrow or extend a knob by its name, add others. Left out: only what is "
            "listed."
        ),
    )
    parameters: tuple[ParameterSpec, ...] = Field(
        (),
        max_length=MAX_PARAMETERS,
        description="The knobs, with distinct names; with a preset, changes to its knobs and further ones.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    constraints: tuple[CelText, ...] = Field(
        (),
        max_length=64,
        description=(
            "CEL expressions over the parameters; a configuration is valid where all are true, with a preset its own "
            "too. An inactive parameter reads as its default. Example: tp * pp * dp == 8."
        ),
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Without a preset nothing says what a parameter leaves out. (The schema says the same to the API server.)"""
        for index, parameter in enumerate(self.parameters if self.preset is None else ()):
            grid = parameter.values if parameter.range is None else parameter.range
            for name, value in (("kind", parameter.kind), ("values", grid), ("default", parameter.default)):
                if value is None:
                    yield f".parameters[{index}].{name}", "is required, except for a knob of the preset"

"""The CRDs: structural, taught in full, and the same as what is checked in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.integration.invalid_manifests import base, changed

from autoscout.api.crd import definitions
from autoscout.api.model import Model
from autoscout.api.parse import load
from autoscout.api.rules import _program
from autoscout.api.tuning_job import TuningJob
from autoscout.cli.crds import generate, render

CHECKED_IN = Path(__file__).resolve().parents[3] / "crds"
CRDS = definitions()
UNTYPED = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"}

Schema = dict[str, Any]


def root(crd: Schema) -> Schema:
    (version,) = crd["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema of the tree, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


@pytest.fixture(params=sorted(CRDS))
def crd(request: pytest.FixtureRequest) -> Schema:
    return CRDS[request.param]


def test_the_files_checked_in_are_those_generated(tmp_path: Path):
    written = generate(tmp_path)
    assert {path.name for path in written} == {path.name for path in CHECKED_IN.iterdir()}
    for path in written:
        assert path.read_text() == (CHECKED_IN / path.name).read_text(), "run: autoscout crds --output crds"


def test_the_text_is_the_definition():
    assert {name: yaml.safe_load(text) for name, text in render().items()} == CRDS


def test_every_field_is_described(crd: Schema):
    for path, schema in nodes(root(crd)):
        if path and not path.endswith("[]") and not path.startswith(".metadata"):
            assert schema.get("description", "").endswith("."), path
            assert len(schema["description"]) > 8, path


def test_the_schema_is_structural(crd: Schema):
    for path, schema in nodes(root(crd)):
        assert ("type" in schema) != bool(UNTYPED & schema.keys() and "type" not in schema), path
        assert not {"$ref", "$defs", "allOf", "title", "const", "exclusiveMinimum"} & schema.keys(), path
        # A union would change what a field is; an anyOf on the same fields only asks for more.
        assert not any({"type", "$ref"} & option.keys() for option in schema.get("anyOf", ())), path
        assert schema.get("additionalProperties") is not False, path
        assert not ("properties" in schema and "additionalProperties" in schema), path


def test_what_users_write_is_bounded_so_that_rules_have_a_price(crd: Schema):
    for path, schema in nodes(root(crd)["properties"]["spec"], ".spec"):
        match schema.get("type"):
            case "string" if "enum" not in schema:
                assert "maxLength" in schema, path
            case "array":
                assert "maxItems" in schema, path
            case "object" if "additionalProperties" in schema:
                assert "maxProperties" in schema, path
            case "integer" | "number":
                assert {"minimum", "maximum"} <= schema.keys() or path in (".spec.number", ".spec.decidedAfter"), path


def test_only_values_and_foreign_objects_are_open():
    found = {
        path
        for path, schema in nodes(root(CRDS["autoscout.io_tuningjobs.yaml"]))
        if schema.keys() & {"x-kubernetes-preserve-unknown-fields"}
    }
    assert found == {
        ".spec.searchSpace.parameters[].values[]",
        ".spec.searchSpace.parameters[].default",
        ".spec.search.settings",
        ".spec.profile.template",
        ".status.default.configuration[]",
        ".status.best.configuration[]",
    }


def test_names_and_columns():
    job = CRDS["autoscout.io_tuningjobs.yaml"]["spec"]
    trial = CRDS["autoscout.io_tuningtrials.yaml"]["spec"]
    assert (job["names"]["shortNames"], trial["names"]["shortNames"]) == (["tj"], ["tt"])
    for spec in (job, trial):
        assert spec["names"]["categories"] == ["autoscout"]
        assert spec["scope"] == "Namespaced"
        assert spec["versions"][0]["subresources"] == {"status": {}}
    columns = job["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Phase", "Best", "Speed-up", "Profiled", "GPU-hours", "Age",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(CRDS))
def test_columns_show_fields_that_exist(name: str):
    crd = CRDS[name]
    known = {path for path, _ in nodes(root(crd))}
    for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]:
        assert column["jsonPath"] in known or column["jsonPath"] == ".metadata.creationTimestamp"


def test_everything_but_what_may_change_is_immutable():
    spec = root(CRDS["autoscout.io_tuningjobs.yaml"])["properties"]["spec"]
    fixed = {rule["fieldPath"] for rule in spec["x-kubernetes-validations"] if "oldSelf" in rule["rule"]}
    assert set(spec["properties"]) - {path.removeprefix(".") for path in fixed} == {
        "budget", "suspend", "ttlSecondsAfterFinished",
    }  # fmt: skip


def models(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for other in Model.__subclasses__():
        yield from other.__subclasses__()
        yield other


def test_every_rule_compiles_here_too():
    rules = {rule for model in models(TuningJob) for rule in model.rules}
    assert len(rules) > 15
    for rule in rules:
        _program(rule.rule)


def test_the_schema_takes_what_the_models_take():
    schema = root(CRDS["autoscout.io_tuningjobs.yaml"])
    jsonschema.Draft202012Validator(schema).validate(base())
    job = load(base())
    assert isinstance(job, TuningJob)
    jsonschema.Draft202012Validator(schema).validate(job.manifest())


@pytest.mark.parametrize(
    "changes",
    [
        {"spec.budget.maxProfiles": 0},
        {"spec.objectives": []},
        {"spec.searchSpace.parameters[0].values": None},
        {"spec.profile.timeout": "soon"},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(changes: Schema):
    document = changed(base(), changes)
    assert isinstance(load(document), list)
    assert not jsonschema.Draft202012Validator(root(CRDS["autoscout.io_tuningjobs.yaml"])).is_valid(document)

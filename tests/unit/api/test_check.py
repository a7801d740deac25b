"""What this version can run, and where."""

from __future__ import annotations

import pytest
from tests.integration.invalid_manifests import REMOVED, base, changed

from autoscout.api import convert
from autoscout.api.check import problems, runnable
from autoscout.baselines import ALGORITHMS


def job(**changes):
    return convert.job(changed(base(), {path.replace("__", "."): value for path, value in changes.items()}))


def test_a_local_run_needs_no_image():
    without = job(spec__profile__image=REMOVED)
    assert runnable(without, cluster=False) == []
    (error,) = runnable(without, cluster=True)
    assert str(error) == "spec.profile.image: is required on a cluster: the image that measures one configuration"


def test_an_unknown_algorithm_is_answered_with_the_known_ones():
    (error,) = runnable(job(spec__search__algorithm="autoscaut"), cluster=True)
    assert error.message == f"'autoscaut' is not known; there are: {', '.join(sorted(ALGORITHMS))}"


def test_a_setting_that_the_algorithm_does_not_know_is_reported_before_anything_runs():
    job_with = job(spec__search={"algorithm": "autoscout", "settings": {"tournament": {"k": 99}}})
    (error,) = runnable(job_with, cluster=True)
    assert str(error) == "spec.search.settings.tournament.k: is 99; it must lie between 1 and 40"


def test_measured_kernels_are_refused_where_there_are_none():
    job_with = job(spec__search={"algorithm": "autoscout", "settings": {"kernels": "aiconfigurator"}})
    (error,) = runnable(job_with, cluster=False)
    assert error.field == "spec.search.settings.kernels"
    assert error.message.startswith("can't be aiconfigurator: give spec.workload")


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("spec.profile.command", ["./bench", "a\0b"], "spec.profile.command[1]"),
        ("spec.profile.env", [{"name": "MODE", "value": "\0"}], "spec.profile.env[0].value"),
        (
            "spec.profile.template",
            {"metadata": {"annotations": {"note": "a\0"}}},
            "spec.profile.template.metadata.annotations.note",
        ),
        ("spec.search", {"settings": {"a\0": 1}}, "spec.search.settings['a\\x00']"),
        (
            "spec.searchSpace.parameters[0]",
            {"name": "word", "kind": "structural", "values": ["a", "b\0"], "default": "a"},
            "spec.searchSpace.parameters[0].values[1]",
        ),
    ],
)
def test_a_nul_is_refused_at_its_field_for_no_process_can_be_given_one(field, value, named):
    found = problems(job(**{field: value}))
    assert [error.field for error in found] == [named]
    assert "NUL" in found[0].message


def test_every_wrong_parameter_is_reported_at_once():
    wrong = {"name": "p", "kind": "execution", "values": [1, 2], "default": 3, "activeWhen": "tile >"}
    found = problems(job(**{"spec.searchSpace.parameters[0].default": 33, "spec.searchSpace.parameters[4]": wrong}))
    assert [error.field for error in found] == [
        "spec.searchSpace.parameters[0].default",
        "spec.searchSpace.parameters[4].activeWhen",
        "spec.searchSpace.parameters[4].default",
    ]


def test_a_default_that_breaks_a_constraint_is_answered_with_one_that_does_not():
    (error,) = problems(job(spec__searchSpace__constraints=["tile != 32"]))
    assert error.field == "spec.searchSpace.constraints[0]"
    assert "the nearest that is has tile=" in error.message

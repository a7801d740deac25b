"""Scripts and manifests, letter by letter. After a change that is meant: --update-golden, then read the diff."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.launches import CASES

from autoscout.api.convert import job
from autoscout.executors.admission import check
from autoscout.launch.launch import Launch, launch

EXPECTED = Path(__file__).parent / "expected"


def launched(case: str) -> Launch:
    return launch(job(CASES[case].document), CASES[case].values)


@pytest.mark.parametrize("case", CASES)
def test_the_operator_accepts_the_job(case: str) -> None:
    assert check(CASES[case].document, cluster=True) == []


@pytest.mark.parametrize("suffix", ["sh", "yaml"])
@pytest.mark.parametrize("case", CASES)
def test_the_launch_is_as_expected(case: str, suffix: str, pytestconfig: pytest.Config) -> None:
    written = launched(case).script if suffix == "sh" else launched(case).manifest
    file = EXPECTED / f"{case}.{suffix}"
    if pytestconfig.getoption("--update-golden"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


def test_there_is_no_expectation_without_its_case() -> None:
    assert {file.stem for file in EXPECTED.iterdir()} == set(CASES)


def test_the_arguments_of_an_images_own_program_are_no_script() -> None:
    assert launched("custom-two-nodes").script == ""

"""The reports, letter by letter. After a change that is meant: make golden, and read the diff."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.golden.report.cases import CASES

from autoscout.report.document import json_text
from autoscout.report.html import html
from autoscout.report.result import Result
from autoscout.report.text import text

EXPECTED = Path(__file__).parent / "expected"
FORMS: dict[str, Callable[[Result], str]] = {"txt": text, "json": json_text, "html": html}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_report_is_as_expected(case: str, form: str, pytestconfig: pytest.Config) -> None:
    written = FORMS[form](CASES[case])
    file = EXPECTED / f"{case}.{form}"
    if pytestconfig.getoption("--update-golden"):
        file.write_text(written, encoding="utf-8")
    assert written == file.read_text(encoding="utf-8")


def test_there_is_no_expectation_without_its_case() -> None:
    assert {file.name for file in EXPECTED.iterdir()} == {f"{case}.{form}" for case in CASES for form in FORMS}

"""The reference pages: complete, the same every time, and no link leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoscout.api.crd import definitions
from autoscout.cli import reference
from autoscout.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
API = reference.api_page()


def sections() -> dict[str, str]:
    """Text by heading."""
    parts = re.split(r"^#{2,3} (.+)$", API, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Section and name of every field below an object."""
    for name, field in schema["properties"].items():
        yield path, name
        for inner, below in ((field, f"{path}.{name}"), (field.get("items", {}), f"{path}.{name}[]")):
            if "properties" in inner:
                yield from fields(inner, below)


def row(section: str, name: str) -> list[str]:
    (line,) = re.findall(rf"^\| \**`{name}`\** \|.*$", sections()[section], re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("page", ["api.md", "metrics.md"])
def test_a_page_is_the_same_every_time_and_the_one_that_is_checked_in(page: str) -> None:
    assert reference.render()[page] == reference.render()[page] == (ROOT / "docs/reference" / page).read_text()


def test_every_field_is_there_with_its_type_and_its_meaning() -> None:
    for crd in definitions().values():
        kind, schema = crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            found = list(fields(schema["properties"][part], f"{kind} {part}"))
            assert len(found) > 5
            for section, name in found:
                cells = row(section, name)
                assert cells[1], (section, name)
                assert cells[4], (section, name)


def test_every_row_has_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", API, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_every_link_leads_to_a_section() -> None:
    anchors = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in sections()}
    links = set(re.findall(r"\]\(#([^)]+)\)", API))
    assert links
    assert links <= anchors


@pytest.mark.parametrize(
    ("section", "name", "cells"),
    [
        ("TuningJob spec", "searchSpace", ["**`searchSpace`**", "[object](#tuningjob-specsearchspace)", "", ""]),
        ("TuningJob spec.budget", "maxProfiles", ["`maxProfiles`", "integer", "`50`", "1 to 100000"]),
        ("TuningJob spec.budget", "maxGpuHours", ["`maxGpuHours`", "quantity", "", "must be greater than 0"]),
        ("TuningJob spec.profile", "timeout", ["`timeout`", "duration", "`30m`", ""]),
        ("TuningJob spec.objectives[]", "goal", ["`goal`", "`minimize`, `maximize`", "`minimize`", ""]),
        ("TuningTrial spec", "predicted", ["`predicted`", "map of quantities", "`{}`", "at most 256 entries"]),
        ("TuningTrial status", "startTime", ["`startTime`", "time", "", ""]),
    ],
)
def test_type_default_and_limits(section: str, name: str, cells: list[str]) -> None:
    assert row(section, name)[:4] == cells


def test_what_may_change_is_said() -> None:
    assert row("TuningJob spec", "budget")[-1] == "yes"
    assert row("TuningJob spec", "profile")[-1] == "no"
    frozen = {heading for heading, text in sections().items() if "Can't be changed once it exists." in text}
    assert "TuningTrial spec" in frozen
    assert "TuningJob spec.searchSpace.parameters[].range" in frozen
    assert not {heading for heading in frozen if heading.startswith(("TuningJob spec.budget", "TuningJob status"))}


def test_the_metrics_page_names_them_as_a_scrape_does() -> None:
    page = reference.metrics_page()
    assert "| `autoscout_reconciles_total` | counter | `result` | Reconciles by result. |" in page
    assert "| `autoscout_job_phase` | gauge | `namespace`, `tuningjob`, `phase` |" in page


def test_the_command_writes_both_pages(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["reference", "--output", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["api.md", "metrics.md"]

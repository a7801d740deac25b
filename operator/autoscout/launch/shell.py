"""A program for a POSIX shell: as one line, and as a script."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from autoscout.launch.program import FILES, NODE_RANK, Program, pieces

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HERE = "."
_WIDTH = 100


def line(program: Program) -> str:
    """What a person copies into a shell. Files are expected in the working directory."""
    words = [_quoted(word) for group in program.groups for word in group] + [*_others(program)]
    if all(_NAME.fullmatch(name) for name in program.environment):
        return " ".join((*_assignments(program.environment), *words))
    return " ".join((*_env(program.environment), *words))


def script(program: Program, title: str) -> str:
    """A file to run with `sh`.

    Args:
        title: the first line of its comment.
    """
    return "\n".join(_lines(program, title)) + "\n"


def _lines(program: Program, title: str) -> Iterator[str]:
    yield "#!/bin/sh"
    for each in (title, *program.notes):
        yield from comment(each)
    yield "set -eu"
    for name, meaning in program.variables.items():
        yield f': "${{{name}:?set it: {meaning}}}"'
    for name, text in program.files.items():
        yield f"cat > {shlex.quote(name)} <<'END'"
        yield text.rstrip("\n")
        yield "END"
    named = {name: value for name, value in program.environment.items() if _NAME.fullmatch(name)}
    for assignment in _assignments(named):
        yield f"export {assignment}"
    unnamed = {name: value for name, value in program.environment.items() if name not in named}
    groups = [tuple(_quoted(word) for word in group) for group in program.groups]
    groups += [(word,) for word in _others(program)]
    if unnamed:
        groups = [_env(unnamed), *groups]
    first, *rest = (" ".join(group) for group in groups)
    yield from _continued([f"exec {first}", *(f"    {each}" for each in rest)])


def comment(text: str) -> Iterator[str]:
    """A text as lines of a comment, of at most about a hundred characters; what can't be printed is a question mark."""
    words = "".join(each if each.isprintable() or each.isspace() else "?" for each in text).split()
    row = "#"
    for word in words:
        if len(row) + 1 + len(word) > _WIDTH and row != "#":
            yield row
            row = "#"
        row += f" {word}"
    yield row


def _continued(rows: Sequence[str]) -> Iterator[str]:
    yield from (f"{row} \\" for row in rows[:-1])
    yield rows[-1]


def _assignments(environment: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={shlex.quote(value)}" for name, value in environment.items())


def _env(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The program that sets variables too whose names no shell can assign; a name like `-S` is no option of it."""
    end_of_options = ["--"] if any(name.startswith("-") for name in environment) else []
    return ("env", *end_of_options, *(shlex.quote(f"{name}={value}") for name, value in environment.items()))


def _others(program: Program) -> Iterator[str]:
    """What puts the words of the other nodes into a command line that is the same on all of them."""
    if program.others:
        words = " ".join(_quoted(word) for word in program.others)
        yield f'$(test "${{{NODE_RANK}}}" = 0 || echo {words})'


def _quoted(word: str) -> str:
    quoted = (f'"${{{text}}}"' if named else shlex.quote(text) for text, named in pieces(word.replace(FILES, _HERE)))
    return "".join(quoted) or "''"

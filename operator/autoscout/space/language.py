"""The part of CEL that a search space may use, checked before a source reaches the library.

Expressions come from whoever may create a TuningJob, so nothing that they can write may hang or crash the
operator. The subset has no construct whose result outgrows its source: no regular expressions, no `map` or
`filter`, no maps, no comments, and `all`, `exists`, `exists_one` do not nest. What remains is arithmetic,
comparison, logic, `? :`, `in`, lists, indexing, and a few conversions: its cost has a static bound.
The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LENGTH = 4096
MAX_TOKENS = 512
MAX_MACRO_TOKENS = 256
MAX_DEPTH = 24
MAX_CONJUNCTS = 16

RESERVED = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    }
)
"""Words that CEL keeps for itself: no parameter can have such a name."""

_LITERALS = frozenset({"true", "false", "in"})
_FUNCTIONS = frozenset({"double", "int", "size", "string"})
_METHODS = frozenset({"contains", "endsWith", "size", "startsWith"})
_MACROS = frozenset({"all", "exists", "exists_one"})
_USABLE = ", ".join(sorted(_FUNCTIONS | _METHODS | _MACROS))

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<number>0[xX][0-9a-fA-F]+ | (?:[0-9]+\.[0-9]+ | \.[0-9]+ | [0-9]+) (?:[eE][+-]?[0-9]+)?)
    | (?P<string>"(?:[^"\\\x00-\x1f]|\\["'\\])*" | '(?:[^'\\\x00-\x1f]|\\["'\\])*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<comment>//)
    | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,.()\[\]])""",
    re.VERBOSE,
)
_HINTS = {
    "=": "compare with ==",
    "&": "write && for 'and'",
    "|": "write || for 'or'",
    "{": "maps are not supported, use lists",
    "'": "the string does not end, or holds an escape other than \\\\ \\' \\\"",
    '"': "the string does not end, or holds an escape other than \\\\ \\' \\\"",
}


class LanguageError(ValueError):
    """The source is not in the subset. The message says what and where, but not which expression."""


@dataclass(frozen=True)
class Scan:
    """What can be known of a source without evaluating it.

    Attributes:
        names: the free variables.
        conjuncts: sources whose conjunction is this source; itself alone where it is no conjunction, or one of
            more than `MAX_CONJUNCTS`.
        cost: upper bound of an evaluation, as a multiple of that of a minimal comparison (about 1 us).
    """

    names: frozenset[str]
    conjuncts: tuple[str, ...]
    cost: int


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def scan(source: str) -> Scan:
    """Check a source against the subset.

    Raises:
        LanguageError: too long, too deep, or it uses something outside the subset. Syntax itself is left to
            the library.
    """
    tokens = _tokens(source)
    return _Scanner(source, tokens).scan()


def _tokens(source: str) -> list[_Token]:
    if len(source) > MAX_LENGTH:
        raise LanguageError(f"it has {len(source)} characters; at most {MAX_LENGTH} are allowed")
    tokens: list[_Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            hint = _HINTS.get(source[position])
            raise LanguageError(
                f"unexpected {source[position]!r} at column {position + 1}{f': {hint}' if hint else ''}"
            )
        kind = str(match.lastgroup)
        if kind == "comment":
            raise LanguageError(f"comments are not supported (column {position + 1})")
        # r'...', b'...' and '''...''' would be read differently by CEL than by us.
        if kind == "string" and position > 0 and (source[position - 1].isalnum() or source[position - 1] in "_'\""):
            raise LanguageError(f"unexpected string at column {position + 1}: prefixes are not supported")
        if kind != "space":
            tokens.append(_Token(kind, match.group(), position))
        position = match.end()
    if not tokens:
        raise LanguageError("it is empty")
    if len(tokens) > MAX_TOKENS:
        raise LanguageError(f"it has {len(tokens)} terms and operators; at most {MAX_TOKENS} are allowed")
    return tokens


class _Scanner:
    """One pass over the tokens of one source."""

    def __init__(self, source: str, tokens: list[_Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._names: set[str] = set()
        self._bound: str | None = None
        self._bound_depth = 0
        self._macros = 0

    def scan(self) -> Scan:
        depth = 0
        cuts: list[_Token] = []
        splits = True
        for index, token in enumerate(self._tokens):
            if token.text in ("(", "["):
                depth += 1
                if depth > MAX_DEPTH:
                    raise LanguageError(f"brackets nest deeper than {MAX_DEPTH} at column {token.start + 1}")
            elif token.text in (")", "]"):
                depth -= 1
                if self._bound is not None and depth < self._bound_depth:
                    self._bound = None
            elif depth == 0 and token.text in ("||", "?"):
                splits = False
            elif depth == 0 and token.text == "&&":
                cuts.append(token)
            if token.kind == "name":
                self._name(index, depth)
        if self._macros and len(self._tokens) > MAX_MACRO_TOKENS:
            raise LanguageError(f"with all, exists or exists_one at most {MAX_MACRO_TOKENS} terms are allowed")
        whole = not splits or len(cuts) >= MAX_CONJUNCTS
        return Scan(frozenset(self._names), (self._source,) if whole else self._conjuncts(cuts), self._cost())

    def _name(self, index: int, depth: int) -> None:
        token = self._tokens[index]
        after_dot = index > 0 and self._tokens[index - 1].text == "."
        if self._text(index + 1) == "(":
            self._call(index, depth, method=after_dot)
        elif after_dot:
            raise LanguageError(f"parameters have no fields: '.{token.text}' at column {token.start + 1}")
        elif token.text in _LITERALS or token.text == self._bound:
            pass
        elif token.text in RESERVED:
            raise LanguageError(f"'{token.text}' at column {token.start + 1} is a reserved word")
        else:
            self._names.add(token.text)

    def _call(self, index: int, depth: int, *, method: bool) -> None:
        token = self._tokens[index]
        if method and token.text in _MACROS:
            if self._bound is not None:
                raise LanguageError(f"'{token.text}' at column {token.start + 1}: all and exists can't nest")
            if self._text(index + 3) != "," or self._tokens[index + 2].kind != "name":
                raise LanguageError(f"'{token.text}' takes a variable and a condition: [1, 2].{token.text}(x, x < 4)")
            self._bound = self._tokens[index + 2].text
            self._bound_depth = depth + 1
            self._macros += 1
        elif token.text not in (_METHODS if method else _FUNCTIONS):
            raise LanguageError(
                f"function '{token.text}' at column {token.start + 1} is not supported; there are {_USABLE}"
            )

    def _text(self, index: int) -> str:
        return self._tokens[index].text if index < len(self._tokens) else ""

    def _conjuncts(self, cuts: list[_Token]) -> tuple[str, ...]:
        starts = [0, *(cut.start + 2 for cut in cuts)]
        ends = [*(cut.start for cut in cuts), len(self._source)]
        return tuple(self._source[start:end].strip() for start, end in zip(starts, ends, strict=True))

    def _cost(self) -> int:
        # Each term costs a little; sums of strings copy what they have so far, hence the square; a macro
        # repeats its body for each element of its list.
        sums = sum(token.text == "+" for token in self._tokens)
        elements = 1 + sum(token.text == "," for token in self._tokens) if self._macros else 1
        return (1 + len(self._tokens) // 16 + sums * sums // 256) * elements

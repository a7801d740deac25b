"""What the figures say in words: where the mark is missed, what each part brings, what noisy simulators cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.benchmarks.suites import NO_SIMULATORS, PARTS, RIVALS

Document = Mapping[str, Any]
Algorithms = Mapping[str, Any]

MARKS = (("1.05", "5 %", 10), ("1.01", "1 %", 40))
"""What AutoScout is to need at most, in the median."""
LAST = MARKS[-1][0]
MARGIN = 5
"""How many times fewer profiles than UDO and CherryPick it is to need for 1 % (the paper's margin)."""
SEEDS = 0.95
"""Share of the seeds that is to come within 1 %."""
KEPT = 0.75
"""Share of the lead over the best rival that is to be left where simulators are off by 80 %."""
ALL = next(iter(PARTS))
ENOUGH = 20
"""Seeds from which on a median is trusted."""


def median(found: Mapping[str, Any], ratio: str) -> float:
    """Profiles needed; infinite where half of the seeds did not get there."""
    value = found["profilesTo"][ratio]["median"]
    return math.inf if value is None else float(value)


def count(found: Mapping[str, Any], ratio: str) -> str:
    """The same as text."""
    return _text(median(found, ratio))


def _text(value: float) -> str:
    return "-" if math.isinf(value) else f"{value:g}"


def glance(rivals: Sequence[Document], bare: Mapping[str, Algorithms]) -> str:
    """The mark, landscape by landscape, and every place where it is missed; empty where AutoScout did not run.

    Args:
        rivals: the documents of that suite.
        bare: by landscape, what ran without simulators.
    """
    mark = (
        f"Median profiles; the mark is {MARKS[0][2]} to 5 % and {MARKS[1][2]} to 1 %, no more than any rival, "
        f"{MARGIN} times fewer than UDO and CherryPick to 1 %, and {SEEDS:.0%} of the seeds within 1 %.\n"
    )
    lines = [
        "## At a glance\n",
        mark,
        "| | AutoScout: 5 % | 1 % | seeds | best rival: 5 % | 1 % | without simulators: 5 % | 1 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    head, missed = len(lines), list[str]()
    for document in rivals:
        landscape, algorithms = document["landscape"], document["algorithms"]
        if "autoscout" not in algorithms:
            continue
        own, without = algorithms["autoscout"], bare.get(landscape, {}).get(NO_SIMULATORS.name)
        cells = [
            landscape,
            *(count(own, ratio) for ratio, _, _ in MARKS),
            f"{own['seedsWithin'][LAST]}/{own['seeds']}",
            *(_best(algorithms, ratio) for ratio, _, _ in MARKS),
            *("" if without is None else count(without, ratio) for ratio, _, _ in MARKS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
        missed += [f"- {landscape}: {miss}" for miss in misses(algorithms, without)]
    if len(lines) == head:
        return ""
    if absent := [name for name in RIVALS if any(name not in each["algorithms"] for each in rivals)]:
        lines.append(f"\nNot every rival ran on every landscape: {', '.join(absent)}; the tables below say where.")
    said = "Where it falls short of the mark or loses:\n" if missed else "It falls short of the mark nowhere here."
    return "\n".join([*lines, "", said, *missed, ""])


def misses(algorithms: Algorithms, bare: Mapping[str, Any] | None) -> Iterator[str]:
    """Every way in which AutoScout falls short on one landscape; `bare`: AutoScout without simulators."""
    own = algorithms["autoscout"]
    rivals = [name for name in RIVALS if name in algorithms]
    for ratio, label, most in MARKS:
        if median(own, ratio) > most:
            yield f"{count(own, ratio)} profiles to {label}, the mark is {most}"
        if ahead := [name for name in rivals if median(algorithms[name], ratio) < median(own, ratio)]:
            yield f"{_named(algorithms, ahead, ratio)} to {label}, AutoScout {count(own, ratio)}"
        if bare is not None:
            fair = [name for name in rivals if name != "metis"]
            if ahead := [name for name in fair if median(algorithms[name], ratio) < median(bare, ratio)]:
                yield f"without simulators {count(bare, ratio)} to {label}, against {_named(algorithms, ahead, ratio)}"
    for name in ("udo", "cherrypick"):
        if name in algorithms and median(algorithms[name], LAST) < MARGIN * median(own, LAST):
            yield f"less than {MARGIN} times fewer than {name} to 1 % ({count(algorithms[name], LAST)})"
    if own["seedsWithin"][LAST] < SEEDS * own["seeds"]:
        yield f"only {own['seedsWithin'][LAST]} of {own['seeds']} seeds come within 1 %"


def _named(algorithms: Algorithms, names: Sequence[str], ratio: str) -> str:
    return ", ".join(f"{name} {count(algorithms[name], ratio)}" for name in names)


def _best(algorithms: Algorithms, ratio: str) -> str:
    """The fewest profiles that a rival needs, and which one that is."""
    name = min(
        (each for each in RIVALS if each in algorithms), key=lambda each: median(algorithms[each], ratio), default=""
    )
    return (
        f"{count(algorithms[name], ratio)} ({name})"
        if name and not math.isinf(median(algorithms[name], ratio))
        else "-"
    )


def parts(documents: Sequence[Document]) -> str:
    """For each part: profiles to 1 % with all parts and without it, and whether it brings anything anywhere."""
    landscapes = [document for document in documents if ALL in document["algorithms"]]
    names = [name for name in PARTS if name != ALL and any(name in each["algorithms"] for each in landscapes)]
    if not landscapes or not names:
        return ""
    fewest = min(found["seeds"] for each in landscapes for found in each["algorithms"].values())
    hint = "" if fewest >= ENOUGH else f"; some from {fewest} seeds only: read differences as tendencies"
    lines = [
        f"Profiles to 1 %, and the slowest quarter's in brackets{hint}:\n",
        f"| | {' | '.join(each['landscape'] for each in landscapes)} |",
        "|---|" + "---|" * len(landscapes),
    ]
    lines += [
        f"| {name} | {' | '.join(_with_slow(each['algorithms'].get(name)) for each in landscapes)} |"
        for name in (ALL, *names)
    ]
    lines.append("")
    for name in names:
        pairs = [
            (each["landscape"], each["algorithms"][name], each["algorithms"][ALL])
            for each in landscapes
            if name in each["algorithms"]
        ]
        better = [landscape for landscape, without, whole in pairs if _worse(without, whole)]
        worse = [landscape for landscape, without, whole in pairs if _worse(whole, without)]
        helps = f"slower on {', '.join(better)}" if better else "slower nowhere: the part brings nothing here"
        hurts = f"; faster on {', '.join(worse)}" if worse else ""
        lines.append(f"- {name}: {helps}{hurts}.")
    return "\n".join([*lines, ""])


def _with_slow(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    slow = found["profilesTo"][LAST]["q75"]
    return f"{count(found, LAST)} ({'-' if slow is None else f'{slow:g}'})"


def _worse(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one needs clearly more profiles than the other: a tenth, and at least one."""
    first, second = median(one, LAST), median(other, LAST)
    return first > second and (math.isinf(first) or first >= max(second + 1, 1.1 * second))


def noisy(documents: Sequence[Document]) -> str:
    """What is left of the lead over the best rival where simulators are off by 80 %."""
    lines = []
    for document in documents:
        algorithms = document["algorithms"]
        rivals = [median(algorithms[name], LAST) for name in RIVALS if name in algorithms]
        if not rivals or not {"0 %", "80 %"} <= algorithms.keys():
            continue
        clean, off, best = median(algorithms["0 %"], LAST), median(algorithms["80 %"], LAST), min(rivals)
        said = f"- {document['landscape']}: {_text(clean)} to 1 %, {_text(off)} at 80 %, the best rival {_text(best)}"
        if math.isinf(best) or best <= clean:
            lines.append(f"{said}.")
            continue
        left = 0.0 if math.isinf(off) else (best - off) / (best - clean)
        verdict = "as it should" if left >= KEPT else f"less than the {KEPT:.0%} that should be left"
        lines.append(f"{said}: {left:.0%} of the lead is left, {verdict}.")
    return "\n".join([*lines, ""]) if lines else ""

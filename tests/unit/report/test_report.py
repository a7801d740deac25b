"""What a report must hold whatever the search: the letters are in tests/golden/report."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.golden.report.cases import CASES, SPACE, TYPICAL

from autoscout.report.document import document
from autoscout.report.html import html
from autoscout.report.result import Result, Setting, Standing, result
from autoscout.report.scale import Scale, scale
from autoscout.report.text import text
from autoscout.report.words import duration, number, times
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.outcome import Measured
from autoscout.search.plan import Phase, Verdict
from autoscout.search.problem import Goal, Objective, Problem


class Page(HTMLParser):
    """The elements and the text of a page; fails on what is closed but was not opened."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "wbr"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_well_formed_and_loads_nothing(case: str) -> None:
    page = Page(html(CASES[case]))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not any("src" in attributes or "href" in attributes for _, attributes in page.elements)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "url(" not in html(CASES[case])


def test_whatever_users_and_programs_wrote_is_text() -> None:
    page = Page(html(TYPICAL))
    assert "<script>alert(1)</script>" in page.text
    assert "<b>&'\"" in page.text
    assert not list(page.named("b"))


def test_the_page_can_be_read_without_seeing_it() -> None:
    page = Page(html(TYPICAL))
    assert [attributes.get("lang") for attributes in page.named("html")] == ["en"]
    pictures = [attributes for attributes in page.named("svg") if attributes.get("aria-hidden") != "true"]
    assert [attributes["role"] for attributes in pictures] == ["img"]
    assert {"chart-title", "chart-text"} <= {attributes.get("id") for _, attributes in page.elements}
    assert all(attributes.get("scope") in {"row", "col"} for attributes in page.named("th"))


def test_every_trial_is_marked_in_the_picture_and_listed() -> None:
    page = html(TYPICAL)
    picture = page[page.index("<svg viewBox") : page.index("<figcaption>")]
    assert picture.count("<g>") == len(TYPICAL.trials)
    assert picture.count('class="infeasible"') == 2
    assert picture.count('class="lost"') == 1
    assert page.count('<th scope="row">') >= len(TYPICAL.trials)


def test_each_trial_counts_for_what_it_is() -> None:
    assert [line.standing for line in TYPICAL.trials] == [
        Standing.FEASIBLE,
        Standing.INFEASIBLE,
        Standing.REJECTED,
        Standing.FEASIBLE,
        Standing.LOST,
        Standing.INFEASIBLE,
        Standing.FEASIBLE,
        Standing.REJECTED,
    ]
    assert TYPICAL.trials[2].message == "breaks: peak_memory_gib"
    assert TYPICAL.trials[7].message == "not reported: seconds_per_iteration, tokens_per_second"


def test_the_best_keeps_the_constraints_and_is_compared_with_the_default() -> None:
    assert TYPICAL.best is not None
    assert TYPICAL.best.number == 3
    assert TYPICAL.speedup == pytest.approx(0.04121 / 0.02204)
    assert [(line.metric, line.role, line.kept) for line in TYPICAL.metrics] == [
        ("seconds_per_iteration", "minimize", None),
        ("tokens_per_second", "maximize", None),
        ("peak_memory_gib", "at most 2", True),
    ]
    assert [setting.parameter for setting in TYPICAL.settings if setting.differs] == [
        "layout",
        "tiled",
        "tile",
        "fraction",
    ]


def test_the_curve_counts_infeasible_profiles_and_no_lost_ones() -> None:
    assert TYPICAL.curve == (0.04121, 0.04121, 0.04121, 0.02204, 0.02204, 0.02204, 0.02204)
    assert len(TYPICAL.curve) == TYPICAL.cost.profiled


def test_the_cost_includes_what_failed() -> None:
    assert TYPICAL.cost.attempts == 9
    assert TYPICAL.cost.gpu_hours == pytest.approx(8 * 0.25 + 0.05)
    assert TYPICAL.cost.failures == {"OutOfMemory": 2, "Evicted": 1}


def test_the_document_holds_every_sample() -> None:
    trial = document(TYPICAL)["trials"][3]
    assert trial["samples"] == {"seconds_per_iteration": [0.02204 * 0.99, 0.02204 * 1.01]}
    assert document(TYPICAL)["best"] == trial


def test_every_member_of_the_document_is_in_the_reference() -> None:
    reference = (Path(__file__).resolve().parents[3] / "docs/reference/tune.md").read_text()
    whole = document(TYPICAL)
    nested = [whole["verdict"], whole["search"], whole["cost"], *whole["trials"], *whole["metrics"], *whole["settings"]]
    members = {name for part in (whole, *nested) for name in part}
    assert {name for name in members if f"`{name}`" not in reference} == set()


def one_value(value: float, goal: Goal = Goal.MINIMIZE) -> Result:
    entry = Entry(Trial(0, SPACE.default(), "default"), (), Measured({"m": value}), 0)
    return result(
        Problem(SPACE, (Objective("m", goal),)),
        Ledger((entry,)),
        name="one",
        verdict=Verdict(Phase.COMPLETE, "MaxProfiles", ""),
        engine_version="1",
        seconds=1.0,
        commands={},
    )


@pytest.mark.parametrize("value", [0.0, -3.5, 1e-300, 1e300, 5.0])
@pytest.mark.parametrize("goal", Goal)
def test_odd_values_are_drawn_and_printed(value: float, goal: Goal) -> None:
    odd = one_value(value, goal)
    assert "NaN" not in html(odd)
    Page(html(odd))
    assert number(value) in text(odd)


def test_true_and_one_are_different_settings() -> None:
    assert Setting("x", True, 1).differs
    assert Setting("x", None, False).differs
    assert not Setting("x", 2, 2).differs


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.0123449, "0.01234"),
        (1.5, "1.5"),
        (2.0, "2"),
        (41234.5, "41234"),
        (1.23456e-7, "1.235e-07"),
        (-12.5, "-12.5"),
        (9999.7, "10000"),
        (1e12, "1.000e+12"),
    ],
)
def test_numbers_are_short(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.44, "0.4 s"),
        (9.96, "10.0 s"),
        (41.2, "41 s"),
        (59.7, "1 min 00 s"),
        (125, "2 min 05 s"),
        (4321, "1 h 12 min"),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_speedup_without_a_meaning_is_a_dash() -> None:
    assert (times(None), times(1.876)) == ("-", "1.88x")


def test_an_axis_is_logarithmic_where_values_differ_by_far() -> None:
    assert not scale([1.0, 7.0], 0, 100).logarithmic
    far = scale([0.01, 100.0], 100, 0)
    assert far.logarithmic
    assert far(1.0) == pytest.approx(50.0)
    assert set(far.ticks()) <= {0.01, 0.1, 1.0, 10.0, 100.0}
    assert not scale([-1.0, 100.0], 0, 100).logarithmic


@pytest.mark.parametrize("axis", [scale([0.5, 0.52], 0, 1), scale([3.0], 0, 1), scale([0.0], 0, 1), Scale(1, 9, 0, 1)])
def test_ticks_are_round_few_and_within_the_axis(axis: Scale) -> None:
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(axis.low <= tick <= axis.high for tick in ticks)

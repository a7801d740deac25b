"""The same problem, seed and ledger give the same proposals, in another process and on another day.

After a change that is meant: --update-golden, then read the difference.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.spaces import BOUNDED, SPACE, entries, outcome

from autoscout.search.autoscout import AutoScout
from autoscout.search.ledger import Entry, Ledger, Trial
from autoscout.search.optimizer import generator

EXPECTED = Path(__file__).parent / "expected"
CASES = {"exhaustive": {}, "searched": {"exhaustive": "off"}}


@pytest.mark.parametrize("name", CASES)
def test_a_search_takes_the_same_steps(name: str, pytestconfig: pytest.Config) -> None:
    problem = replace(BOUNDED, settings=CASES[name])
    ledger = Ledger(entries([SPACE.default()]))
    steps = []
    for number in range(1, 16):
        proposal = AutoScout().suggest(problem, ledger, generator(problem.seed, number), 1)[0]
        steps.append({"proposer": proposal.proposer, "configuration": dict(proposal.configuration)})
        trial = Trial(number, proposal.configuration, proposal.proposer)
        ledger = Ledger((*ledger.entries, Entry(trial, (), outcome(proposal.configuration), number)))
    path = EXPECTED / f"{name}.json"
    if pytestconfig.getoption("--update-golden"):
        path.write_text(json.dumps(steps, indent=1) + "\n")
    assert steps == json.loads(path.read_text())

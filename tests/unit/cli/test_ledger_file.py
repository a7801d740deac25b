"""A ledger in a file: what was committed is there after any crash, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autoscout.cli.ledger_file import LEDGER, LedgerError, LedgerFile, changes, read, spec_hash
from autoscout.cli.ledger_lines import Header
from autoscout.search.ledger import Attempt, Entry, Trial
from autoscout.search.outcome import Infeasible, Lost, Measured
from autoscout.search.plan import Phase, Verdict
from autoscout.space.configuration import Configuration

JOB = {
    "metadata": {"name": "example"},
    "spec": {"search": {"seed": 3}, "budget": {"maxProfiles": 5}, "objectives": [{"metric": "seconds"}]},
}


def header(job: dict = JOB) -> Header:
    return Header("1.2.3", 3, spec_hash(job), job)


def trial(number: int, **values: bool | float | str) -> Trial:
    return Trial(number, Configuration(tuple(values.items())), "random", {"seconds": 1.5})


FIRST, SECOND = trial(0, tile=8, fraction=0.5, fast=True), trial(1, tile=16, fast=False, layout='"b"\n')
MEASURED = Measured({"seconds": 0.25}, {"seconds": (0.2, 0.3)})
ENDED = Attempt("Measured", seconds=3.25, gpu_hours=0.5)


def written(directory: Path) -> LedgerFile:
    ledger = LedgerFile.create(directory, header())
    ledger.append([FIRST, SECOND], 1.0)
    ledger.commit(Entry(FIRST), Entry(FIRST, (ENDED,), MEASURED, 0), 4.5)
    return ledger


def test_what_was_committed_is_read_again(tmp_path: Path) -> None:
    lost = Attempt("NodeLost", "gone", 1.0, 0.25)
    with written(tmp_path) as ledger:
        ledger.commit(Entry(SECOND), Entry(SECOND, (lost,)), 6.0)
        ledger.commit(
            Entry(SECOND, (lost,)),
            Entry(SECOND, (lost, Attempt("OutOfMemory")), Infeasible("OutOfMemory", "x"), 1),
            8.0,
        )
        before = ledger.state
    found, state = read(tmp_path)
    assert found == header()
    assert state == before
    assert state.elapsed == 8.0
    assert [entry.outcome for entry in state.ledger.entries] == [MEASURED, Infeasible("OutOfMemory", "x")]
    assert [entry.trial for entry in state.ledger.entries] == [FIRST, SECOND]
    assert state.ledger.entries[1].attempts == (lost, Attempt("OutOfMemory"))


def test_a_trial_that_was_given_up_without_an_attempt_is_read_again(tmp_path: Path) -> None:
    with written(tmp_path) as ledger:
        ledger.commit(Entry(SECOND), Entry(SECOND, (), Lost("MaxDuration", "used up"), 1), 5.0)
    assert read(tmp_path)[1].ledger.entries[1] == Entry(SECOND, (), Lost("MaxDuration", "used up"), 1)


def test_every_commit_is_on_the_disk_before_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr("os.fsync", lambda _: seen.append((tmp_path / LEDGER).read_bytes()))
    with written(tmp_path) as ledger:
        assert len(seen) >= 3
        assert seen[-1] == (tmp_path / LEDGER).read_bytes()
        assert ledger.state == read(tmp_path)[1]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    with written(tmp_path) as ledger:
        whole = ledger.state
        ledger.append([trial(2, tile=64)], 9.0)
    lines = (tmp_path / LEDGER).read_bytes().splitlines(keepends=True)
    (tmp_path / LEDGER).write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
    assert read(tmp_path)[1] == whole
    with LedgerFile.resume(tmp_path, header()) as ledger:
        assert ledger.state == whole
        ledger.append([trial(2, tile=32)], 9.0)
    assert read(tmp_path)[1].ledger.entries[2].trial == trial(2, tile=32)


def test_a_last_line_of_wrong_bytes_is_cut_off(tmp_path: Path) -> None:
    with written(tmp_path) as ledger:
        whole = ledger.state
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b"\0" * 40 + b"\n")
    with LedgerFile.resume(tmp_path, header()) as ledger:
        assert ledger.state == whole


def test_a_damaged_line_in_the_middle_is_refused_and_named(tmp_path: Path) -> None:
    written(tmp_path).__exit__(None, None, None)
    lines = (tmp_path / LEDGER).read_bytes().splitlines(keepends=True)
    lines[2] = b"{oops}\n"
    (tmp_path / LEDGER).write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=rf"{LEDGER}:3: "):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line["trial"]["configuration"].update(tile=9), "does not match its fingerprint"),
        (lambda line: line["trial"].update(number=0), "trial 0 is there twice"),
        (lambda line: line["trial"].pop("proposer"), "lacks 'proposer'"),
    ],
)
def test_a_line_that_was_tampered_with_is_refused(tmp_path: Path, change, message: str) -> None:
    written(tmp_path).__exit__(None, None, None)
    lines = [json.loads(line) for line in (tmp_path / LEDGER).read_text().splitlines()]
    change(lines[2])
    (tmp_path / LEDGER).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(LedgerError, match=message):
        read(tmp_path)


def test_an_earlier_ledger_is_not_overwritten(tmp_path: Path) -> None:
    written(tmp_path).__exit__(None, None, None)
    before = (tmp_path / LEDGER).read_bytes()
    with pytest.raises(LedgerError, match="add --resume to go on with it, or --directory"):
        LedgerFile.create(tmp_path, header())
    assert (tmp_path / LEDGER).read_bytes() == before


def test_a_changed_spec_is_refused_and_the_change_is_named(tmp_path: Path) -> None:
    written(tmp_path).__exit__(None, None, None)
    changed = {"metadata": JOB["metadata"], "spec": JOB["spec"] | {"search": {"seed": 4}}}
    with pytest.raises(LedgerError, match=r"spec\.search\.seed: 3 -> 4\nOnly the budget may change"):
        LedgerFile.resume(tmp_path, header(changed))
    LedgerFile.resume(tmp_path, header()).__exit__(None, None, None)  # the refusal let go of the lock


def test_the_budget_may_change(tmp_path: Path) -> None:
    written(tmp_path).__exit__(None, None, None)
    larger = {"metadata": JOB["metadata"], "spec": JOB["spec"] | {"budget": {"maxProfiles": 9}, "suspend": True}}
    with LedgerFile.resume(tmp_path, header(larger)) as ledger:
        assert ledger.state.ledger.profiled == 1


def test_changes_names_each_field() -> None:
    before = {"spec": {"a": {"b": [1, {"c": "x"}]}, "gone": True, "list": [1]}}
    after = {"spec": {"a": {"b": [1, {"c": "y"}]}, "new": 2, "list": [1, 2]}}
    assert changes(before, after) == [
        'spec.a.b[1].c: "x" -> "y"',
        "spec.gone: true -> (absent)",
        "spec.list: [1] -> [1, 2]",
        "spec.new: (absent) -> 2",
    ]


def test_resuming_needs_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="leave out --resume"):
        LedgerFile.resume(tmp_path / "nothing", header())
    assert not (tmp_path / "nothing").exists()


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text('{"autoscoutLedger": 2}\n')
    with pytest.raises(LedgerError, match="has format 2"):
        read(tmp_path)


def test_two_searches_do_not_share_a_directory(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from autoscout.cli.ledger_file import LedgerFile, LedgerError\n"
        "from autoscout.cli.ledger_lines import Header\n"
        "try: LedgerFile.create(Path(sys.argv[1]), Header('1', 0, '', {}))\n"
        "except LedgerError as error: print(error)"
    )
    with written(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
        )
    assert "another search uses" in done.stdout
    LedgerFile.resume(tmp_path, header()).__exit__(None, None, None)


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from autoscout.cli.ledger_file import LedgerFile\n"
        "from autoscout.cli.ledger_lines import Header\n"
        "ledger = LedgerFile.create(Path(sys.argv[1]), Header('1', 0, '', {'spec': {}})); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    with LedgerFile.resume(tmp_path, Header("1", 0, "", {"spec": {}})) as ledger:
        assert ledger.state.ledger.entries == ()


def test_the_verdict_of_the_last_run_is_kept_until_the_search_goes_on(tmp_path: Path) -> None:
    verdict = Verdict(Phase.COMPLETE, "MaxProfiles", "done")
    with written(tmp_path) as ledger:
        ledger.close_with(verdict, 9.0)
    assert read(tmp_path)[1].verdict == verdict
    with LedgerFile.resume(tmp_path, header()) as ledger:
        ledger.append([trial(2, tile=64)], 10.0)
    assert read(tmp_path)[1].verdict is None

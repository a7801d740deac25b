"""Logs: one line an event, each line JSON where JSON is asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import kopf
import pytest

from autoscout.telemetry.logs import LogFormat, configure

LOGGER = logging.getLogger("autoscout.test")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    noisy = [logging.getLogger(name) for name in ("kopf.objects", "asyncio", "kubernetes", "aiohttp.access")]
    levels = [(logger, logger.level) for logger in (root, *noisy)]
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)


def test_json_is_one_object_a_line_whatever_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogFormat.JSON)
    LOGGER.info("trial %d of %s\nwith a second line", 3, "tune")
    try:
        int("no number")
    except ValueError:
        LOGGER.exception("work on %s failed", "team/tune")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == (
        "INFO",
        "autoscout.test",
        "trial 3 of tune\nwith a second line",
    )
    assert first["time"]
    assert "invalid literal for int() with base 10: 'no number'" in second["exc_info"]


def test_what_libraries_hang_on_a_record_never_breaks_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogFormat.JSON)
    logging.getLogger("kopf.objects").warning("odd", extra={"settings": kopf.OperatorSettings(), "thing": object()})
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert "settings" not in line
    assert line["thing"].startswith("<object object")


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogFormat.TEXT)
    LOGGER.warning("re-list failed: %s", "503")
    assert capsys.readouterr().err.endswith("WARNING autoscout.test: re-list failed: 503\n")


def test_details_and_the_chatter_of_libraries_come_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogFormat.TEXT)
    LOGGER.debug("a detail")
    logging.getLogger("kopf.objects").info("handler succeeded")
    assert capsys.readouterr().err == ""
    configure(LogFormat.TEXT, verbose=True)
    LOGGER.debug("a detail")
    logging.getLogger("kopf.objects").info("handler succeeded")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_configuring_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogFormat.JSON)
    configure(LogFormat.JSON)
    LOGGER.info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1

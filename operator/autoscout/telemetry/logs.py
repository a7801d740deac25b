"""Logs of the operator: one line an event, as text for people or as JSON for machines."""

from __future__ import annotations

import logging
import sys
from enum import StrEnum

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_KOPFS_OWN = ("settings", "k8s_skip")
"""What kopf hangs on its records for itself: no JSON, and no news."""


class LogFormat(StrEnum):
    """How a log line is written."""

    TEXT = "text"
    JSON = "json"


def configure(style: LogFormat, *, verbose: bool = False) -> None:
    """Send all logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if style is LogFormat.JSON:
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                reserved_attrs=[*RESERVED_ATTRS, *_KOPFS_OWN],
                json_default=str,
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    # kopf logs each event of each object it watches; that is our queue's business here.
    for noisy in ("kopf.objects", "asyncio", "kubernetes", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.INFO if verbose else logging.WARNING)

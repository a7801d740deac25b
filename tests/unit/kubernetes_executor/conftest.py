"""Fixtures of this suite."""

from __future__ import annotations

from tests.unit.kubernetes_executor.server import api, server

__all__ = ["api", "server"]

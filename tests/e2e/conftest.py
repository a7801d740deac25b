"""Fixtures of this suite."""

from __future__ import annotations

from tests.support.fixtures import admin, kubectl, operator, operator_kubeconfig, start_operator

__all__ = ["admin", "kubectl", "operator", "operator_kubeconfig", "start_operator"]

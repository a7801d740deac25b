"""The Kubernetes API of AutoScout: models, the CRDs made from them, checks, and the way to and from the core."""

from __future__ import annotations

from autoscout.api.names import GROUP, VERSION

__all__ = ["GROUP", "VERSION"]

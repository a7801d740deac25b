"""AutoScout: structured optimization of ML-system configurations, as a Kubernetes operator and a command."""

from __future__ import annotations

__version__ = "0.1.0"

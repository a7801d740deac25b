"""What a search found, as text, JSON and HTML. Pure: from a problem and its ledger to strings."""

from __future__ import annotations

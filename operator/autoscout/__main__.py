"""`python -m autoscout`."""

from __future__ import annotations

from autoscout.cli.main import main

if __name__ == "__main__":
    main()

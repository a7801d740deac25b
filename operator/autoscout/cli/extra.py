"""What the base install leaves out."""

from __future__ import annotations

from typing import NoReturn

import typer

EXTRA = frozenset({"kopf", "kubernetes", "prometheus_client", "aiohttp"})
"""Packages of the extra `operator`."""


def needs_extra(error: ModuleNotFoundError, what: str) -> NoReturn:
    """Say how to install what is missing, if that is all.

    Raises:
        ModuleNotFoundError: it is none of the extra's packages.
        typer.Exit: otherwise.
    """
    if error.name is None or error.name.split(".")[0] not in EXTRA:
        raise error
    typer.echo(
        f"error: {what} needs the package {error.name}, which the base install leaves out: "
        "pip install 'autoscout[operator]'",
        err=True,
    )
    raise typer.Exit(2) from error

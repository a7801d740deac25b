"""`autoscout crds`: write the CustomResourceDefinitions."""

from __future__ import annotations

from pathlib import Path

import yaml

from autoscout.api.crd import definitions
from autoscout.cli.files import write_all

_HEADER = "# Generated from operator/autoscout/api by `autoscout crds`. Do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Lists below their key are indented; nothing is written as an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def render() -> dict[str, str]:
    """The text of every CRD, by the name of its file."""
    return {
        name: _HEADER + yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        for name, crd in definitions().items()
    }


def generate(directory: Path) -> list[Path]:
    """Write every CRD into the directory, which is made if it is missing.

    Returns:
        The files.
    """
    return write_all(directory, render())

"""`autoscout crds`: write the CustomResourceDefinitions."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from autoscout.api.crd import definitions

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
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in render().items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the CustomResourceDefinitions.")
    parser.add_argument("--output", type=Path, default=Path("crds"), help="directory; default: crds")
    for path in generate(parser.parse_args().output):
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()

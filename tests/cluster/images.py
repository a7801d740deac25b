"""Container images made without a registry or a builder: directory trees, put into a docker-archive.

A layer is cached under the hash of what it is made from, an image under the hash of its layers and configuration.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

NON_ROOT = "65532:65532"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Layer:
    """A part of an image's file system.

    Args:
        name: For people who look into the cache.
        key: A hash of everything that the tree depends on.
        build: Fills an empty directory, which becomes the image's root.
    """

    name: str
    key: str
    build: Callable[[Path], None]


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image runs unless its pod says otherwise."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = NON_ROOT
    working_directory: str = "/"


@dataclass(frozen=True)
class Image:
    """An image that a node can import; equal digests are equal images."""

    reference: str
    digest: str
    archive: Path


def build_image(reference: str, layers: Sequence[Layer], config: ImageConfig, cache: Path) -> Image:
    """The image as a docker-archive in the cache, made unless it is there; older ones of this reference are removed.

    Args:
        reference: With registry and tag, such as autoscout.local/profiler:test.
        layers: From the bottom to the top.
        config: Defaults of its containers.
        cache: A directory that outlives the cluster.
    """
    cache.mkdir(parents=True, exist_ok=True)
    tars = [_cached_layer(layer, cache) for layer in layers]
    document = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Entrypoint": list(config.entrypoint),
            "Cmd": list(config.command),
            "Env": [f"{name}={value}" for name, value in sorted(config.environment.items())],
            "User": config.user,
            "WorkingDir": config.working_directory,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(tar)}" for tar in tars]},
        "history": [{"created_by": layer.name} for layer in layers],
    }
    text = json.dumps(document, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    slug = reference.replace("/", "_").replace(":", "_")
    archive = cache / f"{slug}-{digest[:16]}.image.tar"
    if not archive.exists():
        with _written_at_once(archive) as output:
            _write_archive(output, reference, digest, text, tars)
    _remove_others(cache.glob(f"{slug}-*.image.tar"), archive)
    return Image(reference, digest, archive)


def tree_hash(*trees: Path, ignore: Callable[[Path], bool] = lambda _: False) -> str:
    """A hash of the names and the contents of all files in the trees, whatever their dates."""
    digest = hashlib.sha256()
    for tree in trees:
        for path in sorted(_files(tree, ignore)):
            digest.update(f"{path.relative_to(tree.parent)}\0{path.stat().st_mode & 0o111}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def write_tar(root: Path, output: IO[bytes]) -> None:
    """The tree as a tar that depends on nothing but names, contents, links and who may execute."""
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            entry = tar.gettarinfo(path, str(path.relative_to(root)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if entry.type == tarfile.LNKTYPE:  # files that the file system happens to share
                entry.type, entry.size = tarfile.REGTYPE, path.stat().st_size
            if entry.isreg():
                entry.mode = 0o755 if entry.mode & 0o111 else 0o644
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                entry.mode = 0o1777 if entry.mode & stat.S_ISVTX else 0o755
                tar.addfile(entry)


def _write_archive(output: IO[bytes], reference: str, digest: str, config: bytes, layers: Sequence[Path]) -> None:
    names = [f"{layer.name.removesuffix('.layer.tar')}/layer.tar" for layer in layers]
    manifest = [{"Config": f"{digest}.json", "RepoTags": [reference], "Layers": names}]
    with tarfile.open(fileobj=output, mode="w") as tar:
        for name, content in ((f"{digest}.json", config), ("manifest.json", json.dumps(manifest).encode())):
            tar.addfile(_entry(name, len(content)), io.BytesIO(content))
        for name, layer in zip(names, layers, strict=True):
            with layer.open("rb") as content_file:
                tar.addfile(_entry(name, layer.stat().st_size), content_file)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _cached_layer(layer: Layer, cache: Path) -> Path:
    path = cache / f"{layer.name}-{layer.key[:16]}.layer.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory() as scratch:
            layer.build(Path(scratch))
            with _written_at_once(path) as output:
                write_tar(Path(scratch), output)
    _remove_others(cache.glob(f"{layer.name}-*.layer.tar"), path)
    return path


def _remove_others(paths: Iterable[Path], keep: Path) -> None:
    for path in paths:
        if path != keep:
            path.unlink(missing_ok=True)


@contextmanager
def _written_at_once(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is complete."""
    descriptor, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
        Path(unfinished).rename(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _files(tree: Path, ignore: Callable[[Path], bool]) -> Iterator[Path]:
    if tree.is_file():
        yield tree
        return
    for path in tree.iterdir():
        if not ignore(path):
            if path.is_dir():
                yield from _files(path, ignore)
            elif path.is_file():
                yield path


def copy_tree(source: Path, destination: Path, ignore: Callable[[Path], bool] = lambda _: False) -> None:
    """Copy a directory, or a file, leaving out what is to be ignored."""
    for path in sorted(_files(source, ignore)):
        target = destination / path.relative_to(source) if source.is_dir() else destination
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

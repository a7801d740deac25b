from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from tests.cluster.images import ImageConfig, Layer, build_image, tree_hash, write_tar


def tree(root: Path) -> None:
    (root / "bin").mkdir()
    (root / "bin/tool").write_text("#!/bin/sh\n")
    (root / "bin/tool").chmod(0o700)
    (root / "bin/alias").symlink_to("tool")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "secret").write_text("for root only")
    (root / "secret").chmod(0o600)


def layer(key: str, text: str) -> Layer:
    return Layer("text", key, lambda root: (root / "file").write_text(text) and None)


def test_a_layer_can_be_read_and_executed_by_any_user(tmp_path: Path):
    source = tmp_path / "tree"
    source.mkdir()
    tree(source)
    with (tmp_path / "layer.tar").open("wb") as output:
        write_tar(source, output)
    with tarfile.open(tmp_path / "layer.tar") as tar:
        modes = {entry.name: entry.mode for entry in tar if not entry.issym()}
        assert modes == {"bin": 0o755, "bin/tool": 0o755, "secret": 0o644, "tmp": 0o1777}
        assert tar.getmember("bin/alias").linkname == "tool"
        assert {(entry.uid, entry.gid, entry.mtime) for entry in tar} == {(0, 0, 0)}


def test_equal_trees_are_equal_tars_whatever_their_dates(tmp_path: Path):
    tars = []
    for name in ("one", "two"):
        source = tmp_path / name
        source.mkdir()
        tree(source)
        with (tmp_path / f"{name}.tar").open("wb") as output:
            write_tar(source, output)
        tars.append((tmp_path / f"{name}.tar").read_bytes())
    assert tars[0] == tars[1]


def test_an_archive_names_its_layers_and_they_have_the_digests_that_its_configuration_says(tmp_path: Path):
    config = ImageConfig(["/run"], ["now"], {"B": "2", "A": "1"}, user="65532:65532", working_directory="/tmp")
    image = build_image("registry.example/name:tag", [layer("a", "lower"), Layer("tree", "b", tree)], config, tmp_path)

    with tarfile.open(image.archive) as archive:
        contents = {entry.name: archive.extractfile(entry).read() for entry in archive}
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["registry.example/name:tag"]
    document = json.loads(contents[manifest["Config"]])
    digests = [f"sha256:{hashlib.sha256(contents[name]).hexdigest()}" for name in manifest["Layers"]]
    assert document["rootfs"]["diff_ids"] == digests
    assert document["config"] == {
        "Entrypoint": ["/run"],
        "Cmd": ["now"],
        "Env": ["A=1", "B=2"],
        "User": "65532:65532",
        "WorkingDir": "/tmp",
    }
    assert manifest["Config"] == f"{image.digest}.json"


def test_a_layer_is_built_once_for_each_key(tmp_path: Path):
    built = []
    for key in ("first", "first", "second"):
        counted = Layer("counted", key, lambda root, key=key: built.append(key) or (root / key).touch())
        build_image("name:tag", [counted], ImageConfig(), tmp_path)
    assert built == ["first", "second"]


def test_only_the_newest_image_of_a_reference_is_kept(tmp_path: Path):
    old = build_image("name:tag", [layer("1", "old")], ImageConfig(), tmp_path)
    other = build_image("other:tag", [layer("1", "old")], ImageConfig(), tmp_path)
    new = build_image("name:tag", [layer("2", "new")], ImageConfig(), tmp_path)
    assert old.digest != new.digest
    assert [path.exists() for path in (old.archive, other.archive, new.archive)] == [False, True, True]


def test_a_tree_hash_sees_names_contents_and_execute_bits_but_not_what_is_ignored(tmp_path: Path):
    (tmp_path / "file").write_text("content")
    hashes = [tree_hash(tmp_path)]
    (tmp_path / "file").write_text("other")
    hashes.append(tree_hash(tmp_path))
    (tmp_path / "file").chmod(0o755)
    hashes.append(tree_hash(tmp_path))
    (tmp_path / "file").rename(tmp_path / "renamed")
    hashes.append(tree_hash(tmp_path))
    assert len(set(hashes)) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/file.pyc").touch()
    assert tree_hash(tmp_path, ignore=lambda path: path.name == "__pycache__") == hashes[-1]

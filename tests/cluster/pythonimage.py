"""The images of the test cluster: the pods' pause container, and a Python with the profiler in it.

The Python is this machine's own: its interpreter, its standard library, the numpy of the environment that runs the
harness, and every shared library that they load. busybox is the shell and the usual commands.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .components import Components
from .images import Image, ImageConfig, Layer, build_image, copy_tree, tree_hash
from .layout import CHECKOUT, ClusterError
from .node import PAUSE_IMAGE

PROFILER_IMAGE = "autoscout.local/profiler:test"
PROFILER_PACKAGE = CHECKOUT / "profiler-image" / "autoscout_profiler"
PACKAGES_DIRECTORY = "opt/autoscout"
LIBRARY_DIRECTORY = "usr/local/lib"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONPATH": f"/{PACKAGES_DIRECTORY}",
    "LD_LIBRARY_PATH": f"/{LIBRARY_DIRECTORY}",
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
}
LEFT_OUT = {
    *("__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo"),
    *("lib2to3", "ensurepip", "pydoc_data", "turtle.py"),
}


def pause_image(components: Components, cache: Path) -> Image:
    """What holds a pod's namespaces open."""
    binary = components.paths["pause"]

    def build(root: Path) -> None:
        shutil.copy(binary, root / "pause")

    return build_image(PAUSE_IMAGE, [Layer("pause", tree_hash(binary), build)], ImageConfig(["/pause"]), cache)


def python_image(cache: Path, profiler: Path = PROFILER_PACKAGE) -> Image:
    """A Python with numpy, a shell, and the profiler's package where the checkout has it.

    Containers run as a user without rights unless their pod says otherwise; `python3 -m autoscout_profiler` works.

    Raises:
        ClusterError: numpy is not in the environment that runs the harness.
    """
    layers = [_python_layer(), *([_profiler_layer(profiler)] if (profiler / "__init__.py").exists() else [])]
    config = ImageConfig(command=["python3"], environment=ENVIRONMENT, working_directory="/tmp")
    return build_image(PROFILER_IMAGE, layers, config, cache)


def _python_layer() -> Layer:
    interpreter, library, numpy, busybox = _interpreter(), _standard_library(), _numpy(), _busybox()
    inputs = (interpreter, library, *numpy, busybox)
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    key = hashlib.sha256(f"{recipe} {tree_hash(*inputs, ignore=_left_out)}".encode()).hexdigest()

    def build(root: Path) -> None:
        _add_shell(root, busybox)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        binaries = root / "usr/local/bin"
        binaries.mkdir(parents=True)
        shutil.copy(interpreter, binaries / version)
        for name in ("python3", "python"):
            (binaries / name).symlink_to(version)
        copy_tree(library, root / LIBRARY_DIRECTORY / version, _left_out)
        for package in numpy:
            copy_tree(package, root / PACKAGES_DIRECTORY / package.name, _left_out)
        _add_shared_libraries(root, [interpreter, *library.glob("lib-dynload/*.so"), *numpy[0].rglob("*.so")])
        _compile(root)

    return Layer("python", key, build)


def _profiler_layer(profiler: Path) -> Layer:
    def build(root: Path) -> None:
        copy_tree(profiler, root / PACKAGES_DIRECTORY / profiler.name, _left_out)
        _compile(root)

    return Layer("profiler", tree_hash(profiler, ignore=_left_out), build)


def _left_out(path: Path) -> bool:
    return path.name in LEFT_OUT or path.name.startswith(("config-", "_tkinter", "_test"))


def _interpreter() -> Path:
    return Path(os.path.realpath(sys.executable))


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _busybox() -> Path:
    found = shutil.which("busybox")
    if found is None:
        raise ClusterError("busybox is missing: install the package busybox-static")
    return Path(found)


def _numpy() -> list[Path]:
    """The package and, where it comes as a wheel, the libraries that it brings along."""
    found = importlib.util.find_spec("numpy")
    if found is None or found.origin is None:
        raise ClusterError(f"numpy is not installed for {sys.executable}: run this with the project's environment")
    package = Path(found.origin).parent
    return [package, *package.parent.glob("numpy.libs")]


def _add_shell(root: Path, busybox: Path) -> None:
    for directory in ("bin", "etc", "home", "usr", "var", "proc", "sys", "dev"):
        (root / directory).mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnonroot:x:65532:\n")
    shutil.copy(busybox, root / "bin/busybox")
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


def _add_shared_libraries(root: Path, binaries: list[Path]) -> None:
    """What the binaries load from outside their own trees: the system's where it was, others in LIBRARY_DIRECTORY."""
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    needed = re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", listed.stdout, re.MULTILINE)
    for library in sorted({Path(path) for path in needed}):
        system = library.is_relative_to("/lib") or library.is_relative_to("/usr/lib") or "ld-linux" in library.name
        bundled = library.parent.name == "numpy.libs"
        if not bundled:
            target = root / str(library).lstrip("/") if system else root / LIBRARY_DIRECTORY / library.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)


def _compile(root: Path) -> None:
    """Byte code that is not checked against its source's date, which an image does not keep."""
    options = ("-q", "-j", "2", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/")
    done = subprocess.run(
        [sys.executable, "-m", "compileall", *options, str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ClusterError(f"compiling the image's Python failed: {done.stdout[-2000:]}")

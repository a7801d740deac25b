"""From `kubectl apply` to a best configuration with the real frameworks in real pods: no stand-in in the path.

The pods' image is the test cluster's Python; the frameworks come from the profilers' environment, by volume, because no
image of theirs can be built here. What runs in the pods is what the images run: `python3 -m autoscout_profiler`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml
from tests.profilers.environment import PYTHON, VERSION
from tests.support.fixtures import admin, kubectl, operator, operator_kubeconfig, start_operator
from tests.support.kubectl import Kubectl, Object
from tests.support.noise import pessimistic
from tests.support.operator_process import OperatorProcess

__all__ = ["admin", "kubectl", "operator", "operator_kubeconfig", "start_operator"]

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "profiler-image"
PROFILERS = os.environ.get("AUTOSCOUT_PROFILERS", "")
SECONDS = 2 * 60 * 60
"""No shorter than the budgets: it is the search that ends."""

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not PROFILERS, reason="the profilers' environment is not there: make test-profilers"),
    # The pods' image has the Python that runs this, and the frameworks' packages are for one version.
    pytest.mark.skipif(sys.version_info[:2] != VERSION, reason=f"the frameworks are for {PYTHON}"),
]

Figure = Callable[[str, object], None]


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of the frameworks' packages."""
    return next(Path(PROFILERS).glob("lib/python3.*/site-packages"))


@pytest.fixture(scope="module")
def libraries(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the frameworks need of this machine and the pods' image lacks: a program and shared libraries."""
    directory = tmp_path_factory.mktemp("machine") / "machine"
    directory.mkdir()
    lscpu = shutil.which("lscpu")
    assert lscpu is not None, "vLLM asks lscpu for the CPUs: install util-linux"
    shutil.copy(lscpu, directory)
    binaries = [lscpu, *map(str, packages.glob("torch/lib/*.so*")), *map(str, packages.glob("vllm/*.so"))]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    for name, path in set(re.findall(r"^\t(\S+) => (/\S+) \(0x", listed, re.MULTILINE)):
        if not Path(path).is_relative_to(packages):
            shutil.copy(path, directory / name)
    directory.chmod(0o755)
    return directory


@pytest.fixture
def template(packages: Path, libraries: Path) -> Object:
    """What brings the frameworks into a pod."""
    folders = {"frameworks": packages, "package": PACKAGE, "machine": libraries}
    return {
        "spec": {
            "containers": [
                {
                    "name": "profile",
                    # Without, everything else on the machine goes before them.
                    "resources": {"requests": {"cpu": "1500m"}},
                    "volumeMounts": [
                        {"name": name, "mountPath": f"/autoscout/{name}", "readOnly": True} for name in folders
                    ],
                }
            ],
            "volumes": [
                {"name": name, "hostPath": {"path": str(path), "type": "Directory"}} for name, path in folders.items()
            ],
        }
    }


ENVIRONMENT = {
    "PYTHONPATH": "/autoscout/package:/autoscout/frameworks",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_LIBRARY_PATH": "/usr/local/lib:/autoscout/machine",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/autoscout/machine",
}


@pytest.fixture
def privileged(admin: Kubectl, kubectl: Kubectl) -> Kubectl:
    """This test's namespace, in which pods may have volumes of their node."""
    label = "pod-security.kubernetes.io/enforce=privileged"
    admin.run("label", "namespace", str(kubectl.namespace), label, "--overwrite")
    return kubectl


def manifest(framework: str, template: Object) -> dict[str, Any]:
    """The TuningJob of a framework, with what brings the framework into its pods."""
    job: dict[str, Any] = yaml.safe_load((HERE / f"manifests/{framework}.yaml").read_text())
    environment = [{"name": name, "value": value} for name, value in ENVIRONMENT.items()]
    job["spec"]["profile"] |= {"template": template, "env": environment}
    return job


def complete(job: dict[str, Any], kubectl: Kubectl, operator: OperatorProcess) -> None:
    """Apply it and wait for its end."""
    kubectl.apply(job)
    try:
        kubectl.wait("condition=Complete", "tuningjob", job["metadata"]["name"], SECONDS)
    except AssertionError:
        pytest.fail(f"{kubectl.run('describe', 'tuningtrials').stdout[-4000:]}\n{operator.tail()}", pytrace=False)


@pytest.mark.parametrize(
    ("framework", "objective", "packages_measured"),
    [
        ("megatron", "seconds_per_iteration", {"megatron-core", "torch"}),
        ("vllm", "milliseconds_per_token", {"vllm", "torch"}),
    ],
)
def test_a_tuning_job_finds_a_best_configuration(
    framework: str,
    objective: str,
    packages_measured: set[str],
    privileged: Kubectl,
    operator: OperatorProcess,
    template: Object,
    figure: Figure,
) -> None:
    kubectl = privileged
    job = manifest(framework, template)
    complete(job, kubectl, operator)

    done = kubectl.get("tuningjob", framework)["status"]
    trials = sorted(kubectl.list("tuningtrials"), key=lambda item: item["spec"]["number"])
    assert len(trials) >= 8
    assert len({trial["spec"]["fingerprint"] for trial in trials}) == len(trials), "nothing is measured twice"
    assert [trial["status"]["phase"] for trial in trials] == ["Measured"] * len(trials)
    for trial in trials:
        status = trial["status"]
        assert objective in status["metrics"]
        # One that could no longer win was stopped with what it had.
        if status["attempts"][-1]["reason"] != "CannotWin":
            assert status["metrics"]["peak_memory_gib"] > 0.1
            assert len(status["samples"][objective]) == job["spec"]["profile"]["iterations"]

    # The pods ran the built-in profiler, and nothing else.
    pods = kubectl.list("pods")
    assert len(pods) == len(trials)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert [*container["command"], *container.get("args", ())] == ["python3", "-m", "autoscout_profiler", framework]
    first = next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"].startswith(f"{framework}-0-0-"))
    log = kubectl.run("logs", first).stdout
    assert all(f'"{package}":' in log for package in packages_measured), log[-2000:]

    values = {trial["spec"]["number"]: trial["status"]["metrics"][objective] for trial in trials}
    best = done["best"]
    assert {trials[number]["status"]["attempts"][-1]["reason"] for number in (0, best["trial"])} == {"Measured"}
    # The best beyond its own noise, not the luckiest: machines that do something else besides spread what is measured.
    cautious = {
        number: pessimistic(value, trials[number]["status"]["samples"][objective])
        for number, value in values.items()
        if trials[number]["status"]["attempts"][-1]["reason"] == "Measured"
    }
    assert best["trial"] == min(cautious, key=lambda number: cautious[number]), cautious
    assert best["speedup"] == pytest.approx(values[0] / values[best["trial"]], rel=1e-3)
    assert best["speedup"] > 1.2, "the defaults are far from the best on purpose"
    _say(framework, objective, trials, best, figure)


def test_a_profile_over_two_pods_is_measured_by_both(
    privileged: Kubectl, operator: OperatorProcess, template: Object
) -> None:
    job = manifest("megatron", template)
    job["spec"]["hardware"] = {"pools": [{"name": "cpus", "nodes": 2}]}
    job["spec"]["budget"]["maxProfiles"] = 1
    complete(job, privileged, operator)

    (trial,) = privileged.list("tuningtrials")
    assert trial["status"]["phase"] == "Measured"
    # One rank in each pod: both report their memory to the first.
    assert {"peak_memory_gib_rank_0", "peak_memory_gib_rank_1"} <= trial["status"]["metrics"].keys()
    pods = privileged.list("pods")
    ranks = {pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: pod for pod in pods}
    assert ranks.keys() == {"0", "1"}
    for rank, pod in ranks.items():
        log = privileged.run("logs", pod["metadata"]["name"]).stdout
        assert f"1 process(es) on CPUs (no hardware.gpusPerNode), ranks {rank}" in log


def test_replicas_of_vllm_in_two_pods_answer_the_requests_together(
    privileged: Kubectl, operator: OperatorProcess, template: Object, figure: Figure
) -> None:
    job = manifest("vllm", template)
    job["spec"]["hardware"] = {"pools": [{"name": "cpus", "nodes": 2}]}
    job["spec"]["budget"]["maxProfiles"] = 1
    job["spec"]["profile"]["iterations"] = 3
    replicas = {"name": "dp", "kind": "structural", "values": [2], "default": 2, "description": "replicas"}
    job["spec"]["searchSpace"]["parameters"].append(replicas)
    complete(job, privileged, operator)

    (trial,) = privileged.list("tuningtrials")
    assert trial["status"]["phase"] == "Measured"
    assert len(trial["status"]["samples"]["milliseconds_per_token"]) == job["spec"]["profile"]["iterations"]
    logs = {
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]: privileged.run(
            "logs", pod["metadata"]["name"]
        ).stdout
        for pod in privileged.list("pods")
    }
    assert logs.keys() == {"0", "1"}
    assert '"type":"result"' in logs["0"]
    assert "Launching 1 data parallel engine(s) in headless mode" in logs["1"]
    # What it is launched as has the two nodes too.
    launched = privileged.get("configmap", "vllm-result")["data"]
    assert "--nnodes=2" in launched["manifest.yaml"]
    (attempt,) = trial["status"]["attempts"]
    figure("vllm in two pods, a replica in each", f"pods {attempt['seconds']:.0f} s")


def _say(framework: str, objective: str, trials: list[Object], best: Object, figure: Figure) -> None:
    """The closing summary's figures, for docs/profilers.md."""
    for trial in trials:
        metrics, (attempt,) = trial["status"]["metrics"], trial["status"]["attempts"]
        once = {
            name: metrics[name] for name in ("peak_memory_gib", "startup_seconds", "warmup_seconds") if name in metrics
        }
        figure(
            f"{framework} in a pod, {trial['spec']['configuration']}",
            f"{metrics[objective]:.4g} {objective}, {attempt['reason']}, pod {attempt['seconds']:.0f} s; "
            + ", ".join(f"{name} {value:.2f}" for name, value in once.items()),
        )
    pods = [trial["status"]["attempts"][-1]["seconds"] for trial in trials]
    figure(f"{framework} in pods: seconds of a profile, median of {len(trials)}", f"{median(pods):.0f}")
    figure(f"{framework} in pods: best against default", f"{best['speedup']:.2f}x")

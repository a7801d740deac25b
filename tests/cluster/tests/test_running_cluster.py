"""What the tests of this project rely on in a cluster, seen on the real one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import NODES, PROFILER_IMAGE, Cluster, ImageConfig, Layer, NodeSpec, build_image
from tests.cluster.images import tree_hash
from tests.cluster.layout import Layout, cache_directory
from tests.cluster.pythonimage import PROFILER_PACKAGE

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

GPU = "nvidia.com/gpu"
A100, A40 = NODES
STATE = ".status.containerStatuses[0].state"


def pod_spec(command: list[str], *, image: str = PROFILER_IMAGE, **fields: Any) -> dict[str, Any]:
    limits = fields.pop("limits", {})
    container = {"name": "main", "image": image, "command": command, "resources": {"limits": limits}}
    return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **fields}


def pod(name: str, command: list[str], **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(command, **fields)}


def job(name: str, command: list[str], *, spec: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    template = {"spec": pod_spec(command, **fields)}
    body = {"backoffLimit": 0, "template": template, **(spec or {})}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_a_job_runs_on_the_gpus_that_it_asks_for_and_its_log_comes_through_the_api(kubectl, node: NodeSpec):
    program = "import numpy, os; print(int(numpy.arange(10).sum()), os.getuid(), os.environ['NVIDIA_VISIBLE_DEVICES'])"
    selector = {"nvidia.com/gpu.product": node.gpu_product}
    kubectl.create(job("measure", ["python3", "-c", program], nodeSelector=selector, limits={GPU: node.gpus}))
    kubectl("wait", "job/measure", "--for=condition=Complete", "--timeout=60s")

    total, user, devices = kubectl("logs", "job/measure").split()
    assert (total, user) == ("45", "65532")
    assert sorted(devices.split(",")) == [f"GPU-{node.name}-{index}" for index in range(node.gpus)]


def test_pods_share_no_gpu_and_one_too_many_stays_pending(kubectl):
    selector = {"nvidia.com/gpu.product": A40.gpu_product}
    show = ["sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES; sleep 600"]
    for name in ("first", "second"):
        kubectl.create(pod(name, show, nodeSelector=selector, limits={GPU: 2}))
        kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    kubectl.create(pod("third", show, nodeSelector=selector, limits={GPU: 2}))
    kubectl.await_value("pod/third", ".status.conditions[?(@.type=='PodScheduled')].reason", "Unschedulable")

    devices = [kubectl("logs", f"pod/{name}").strip().split(",") for name in ("first", "second")]
    assert len({*devices[0], *devices[1]}) == 4
    assert kubectl.value("pod/third", ".status.phase") == "Pending"


def test_a_container_beyond_its_memory_limit_is_oom_killed(kubectl):
    kubectl.create(pod("greedy", ["python3", "-c", "b'x' * 2**28"], limits={"memory": "64Mi"}))
    kubectl.await_value("pod/greedy", f"{STATE}.terminated.reason", "OOMKilled")


@pytest.mark.parametrize(
    ("policy", "reason"), [("Always", "ErrImagePull"), ("IfNotPresent", "ErrImagePull"), ("Never", "ErrImageNeverPull")]
)
def test_an_image_that_does_not_exist_is_reported_at_once(kubectl, policy, reason):
    manifest = pod("absent", ["true"], image="registry.example.com/absent:1")
    manifest["spec"]["containers"][0]["imagePullPolicy"] = policy
    kubectl.create(manifest)
    kubectl.await_value("pod/absent", f"{STATE}.waiting.reason", reason, seconds=20)


def test_a_pod_is_ended_at_its_deadline(kubectl):
    kubectl.create(pod("late", ["sleep", "600"], activeDeadlineSeconds=2))
    kubectl.await_value("pod/late", ".status.reason", "DeadlineExceeded", seconds=30)


def test_the_termination_message_and_the_exit_code_are_kept(kubectl):
    kubectl.create(pod("talker", ["sh", "-c", "printf last-words > /dev/termination-log; exit 7"]))
    kubectl.await_value("pod/talker", f"{STATE}.terminated.exitCode", "7")
    assert kubectl.value("pod/talker", f"{STATE}.terminated.message") == "last-words"


def test_a_suspended_job_has_no_pods_until_it_is_resumed(kubectl):
    kubectl.create(job("patient", ["true"], spec={"suspend": True}))
    kubectl("wait", "job/patient", "--for=condition=Suspended", "--timeout=30s")
    assert kubectl("get", "pods", "--output=name") == ""
    kubectl("patch", "job/patient", "--patch", json.dumps({"spec": {"suspend": False}}))
    kubectl("wait", "job/patient", "--for=condition=Complete", "--timeout=60s")


def test_an_indexed_job_numbers_its_pods_and_is_collected_after_its_time(kubectl):
    many = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "podReplacementPolicy": "Failed"}
    kubectl.create(job("ranks", ["sh", "-c", "echo rank $JOB_COMPLETION_INDEX"], spec=many))
    kubectl("wait", "job/ranks", "--for=condition=Complete", "--timeout=60s")
    logs = kubectl("logs", "--selector=batch.kubernetes.io/job-name=ranks")
    assert sorted(logs.splitlines()) == ["rank 0", "rank 1"]

    kubectl("patch", "job/ranks", "--patch", json.dumps({"spec": {"ttlSecondsAfterFinished": 0}}))
    kubectl("wait", "job/ranks", "--for=delete", "--timeout=30s")
    kubectl("wait", "pod", "--selector=batch.kubernetes.io/job-name=ranks", "--for=delete", "--timeout=30s")


def test_the_pods_of_an_indexed_job_find_each_other_by_name_across_nodes(kubectl):
    headless = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"gang": "ring"}}
    metadata = {"name": "ring"}
    kubectl.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": headless})
    program = """
import os, socket, time
index = int(os.environ["JOB_COMPLETION_INDEX"])
if index == 0:
    with socket.create_server(("", 29500)) as server:
        peer = server.accept()[0]
        print("heard", peer.recv(99).decode())
else:
    for _ in range(300):
        try:
            address = socket.getaddrinfo("ring-0.ring", 29500, socket.AF_INET, socket.SOCK_STREAM)[0][4]
            socket.create_connection(address).sendall(f"rank {index}".encode())
            break
        except OSError:
            time.sleep(0.1)
"""
    many = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
    ring = job("ring", ["python3", "-c", program], spec=many, subdomain="ring")
    ring["spec"]["template"] |= {"metadata": {"labels": {"gang": "ring"}}}
    ring["spec"]["template"]["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"gang": "ring"}},
        }
    ]
    kubectl.create(ring)
    kubectl("wait", "job/ring", "--for=condition=Complete", "--timeout=60s")
    assert "heard rank 1" in kubectl("logs", "--selector=gang=ring", "--tail=-1")


def test_a_pod_reaches_the_api_with_its_service_account(kubectl):
    program = """
import os, ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount/"
context = ssl.create_default_context(cafile=folder + "ca.crt")
url = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}/api/v1/nodes"
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + open(folder + "token").read()})
try:
    urllib.request.urlopen(request, context=context, timeout=10)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
    kubectl.create(job("insider", ["python3", "-c", program]))
    kubectl("wait", "job/insider", "--for=condition=Complete", "--timeout=60s")
    answer = kubectl("logs", "job/insider")
    assert answer.startswith("403 ")
    assert "system:serviceaccount:harness-" in answer
    assert kubectl("create", "token", "default").count(".") == 2


def test_the_restricted_pod_security_level_is_enforced_and_can_be_met(kubectl):
    namespace = kubectl("get", "serviceaccount/default", "--output=jsonpath={.metadata.namespace}")
    kubectl("label", f"namespace/{namespace}", "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kubectl.create(pod("careless", ["true"]))

    careful = pod("careful", ["true"], securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    careful["spec"]["containers"][0]["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
    }
    kubectl.create(careful)
    kubectl.await_value("pod/careful", ".status.phase", "Succeeded")


def test_an_image_made_here_runs_on_every_node(cluster: Cluster, kubectl):
    busybox = Path(shutil.which("busybox"))
    layer = Layer("greeter", tree_hash(busybox), lambda root: shutil.copy(busybox, root / "echo"))
    config = ImageConfig(entrypoint=["/echo"], command=["made", "here"])
    image = build_image("autoscout.local/greeter:test", [layer], config, cache_directory() / "images")
    cluster.import_image(image)

    for node in NODES:
        manifest = pod(f"on-{node.name}", [], image=image.reference, nodeName=node.name)
        kubectl.create(manifest)
        kubectl.await_value(f"pod/on-{node.name}", ".status.phase", "Succeeded")
        assert kubectl("logs", f"pod/on-{node.name}") == "made here\n"


@pytest.mark.skipif(not (PROFILER_PACKAGE / "__main__.py").exists(), reason="the checkout has no profiler yet")
def test_the_image_has_the_profiler(kubectl):
    kubectl.create(pod("profiler", ["python3", "-c", "import autoscout_profiler as p; print(p.__file__)"]))
    kubectl.await_value("pod/profiler", ".status.phase", "Succeeded")
    assert kubectl("logs", "pod/profiler").strip() == "/opt/autoscout/autoscout_profiler/__init__.py"


def test_taking_down_another_state_leaves_the_running_cluster_alone(cluster: Cluster, tmp_path: Path):
    another = Cluster(Layout(tmp_path / "state"))
    another.use()  # so that there is a state directory to clear
    another.down()
    assert cluster.problems() == []


def test_a_killed_kubelet_leaves_its_containers_running(cluster: Cluster, kubectl):
    steady = ["sh", "-c", "sleep 6; echo done"]
    kubectl.create(pod("steady", steady, nodeName=A40.name, limits={GPU: 4}))
    kubectl("wait", "pod/steady", "--for=condition=Ready", "--timeout=60s")
    cluster.stop_node(A40.name)
    assert cluster.problems() != []
    cluster.start_node(A40.name)
    kubectl.await_value("pod/steady", ".status.phase", "Succeeded")
    assert kubectl("logs", "pod/steady") == "done\n"
    assert cluster.problems() == []


def test_a_power_cut_on_a_node_loses_its_containers_only(cluster: Cluster, kubectl):
    for name, node in (("doomed", A40), ("elsewhere", A100)):
        kubectl.create(pod(name, ["sleep", "600"], nodeName=node.name, limits={GPU: 1}))
        kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    cluster.stop_node(A40.name, containers=True)
    kubectl("wait", f"node/{A40.name}", "--for=condition=Ready=Unknown", "--timeout=60s")
    cluster.start_node(A40.name)
    kubectl.await_value("pod/elsewhere", ".status.phase", "Running")
    kubectl.await_value("pod/doomed", ".status.phase", "Failed")
    kubectl.create(pod("after", ["true"], nodeName=A40.name, limits={GPU: 4}))
    kubectl.await_value("pod/after", ".status.phase", "Succeeded")


def test_the_api_server_restarts_and_forgets_nothing(cluster: Cluster, kubectl):
    kubectl("create", "configmap", "remembered")
    cluster.restart_apiserver()
    assert kubectl("get", "configmap/remembered", "--output=name").strip() == "configmap/remembered"
    kubectl.create(pod("after", ["true"]))
    kubectl.await_value("pod/after", ".status.phase", "Succeeded")

"""One configuration as a line, a script and a manifest that say the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.support.launches import A100, CASES, CPU, CUSTOM, Case, megatron, vllm

from autoscout.api.convert import job, problem
from autoscout.executors.kubernetes.names import GPU_RESOURCE
from autoscout.launch.launch import launch
from autoscout.launch.manifest import IMAGE
from autoscout.launch.program import LaunchError
from autoscout.launch.result import launched_result
from autoscout.search.ledger import Attempt, Entry, Ledger, Trial
from autoscout.search.outcome import Measured
from autoscout.search.plan import Phase, Verdict


def manifest(case: Case, **changes: Any) -> dict[str, dict[str, Any]]:
    """The objects by kind."""
    document = case.document
    document["spec"]["profile"] |= changes
    documents = yaml.safe_load_all(launch(job(document), case.values).manifest)
    return {each["kind"]: each for each in documents}


def statefulsets(case: str) -> list[dict[str, Any]]:
    found = CASES[case]
    documents = yaml.safe_load_all(launch(job(found.document), found.values).manifest)
    return [each for each in documents if each["kind"] == "StatefulSet"]


def pod(objects: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return (objects.get("Job") or objects["Deployment"])["spec"]["template"]["spec"]


def test_a_training_is_a_job_and_a_server_a_deployment_with_a_service():
    assert list(manifest(CASES["megatron-lora"])) == ["Job"]
    assert list(manifest(CASES["megatron-two-nodes"])) == ["Service", "Job"]
    assert list(manifest(CASES["megatron-dense"])) == ["ConfigMap", "Job"]
    assert list(manifest(CASES["vllm"])) == ["Service", "Deployment"]
    assert list(manifest(CASES["custom"])) == ["Job"]


def test_the_nodes_of_a_job_find_each_other():
    objects = manifest(CASES["megatron-two-nodes"])
    spec, service = objects["Job"]["spec"], objects["Service"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert service["spec"]["clusterIP"] == "None"
    assert service["metadata"]["name"] == pod(objects)["subdomain"]
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    (container,) = pod(objects)["containers"]
    assert "--node-rank=$(NODE_RANK)" in container["args"]
    addresses = {each["name"]: each.get("value") for each in container["env"]}
    assert addresses["MASTER_ADDR"] == "llama-0.llama"


def test_the_nodes_of_a_server_find_the_first_one_which_alone_takes_requests():
    case = CASES["vllm-replica-over-three-nodes"]
    objects = list(yaml.safe_load_all(launch(job(case.document), case.values).manifest))
    service, names, first, others = objects
    assert [each["kind"] for each in objects] == ["Service", "Service", "StatefulSet", "StatefulSet"]
    assert (first["spec"]["replicas"], others["spec"]["replicas"], others["spec"]["ordinals"]) == (1, 2, {"start": 1})
    pods = [each["spec"]["template"] for each in (first, others)]
    for each, template in zip((first, others), pods, strict=True):
        assert each["spec"]["serviceName"] == names["metadata"]["name"]
        assert each["spec"]["podManagementPolicy"] == "Parallel"
        assert each["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        assert names["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert names["spec"]["publishNotReadyAddresses"], "they meet before any of them is ready"
    reached = [service["spec"]["selector"].items() <= each["metadata"]["labels"].items() for each in pods]
    assert reached == [True, False]

    head, rest = (each["spec"]["containers"][0] for each in pods)
    assert rest["args"] == [*head["args"], "--headless"]
    assert {"--nnodes=3", "--node-rank=$(NODE_RANK)", "--master-addr=$(MASTER_ADDR)"} <= set(head["args"])
    places = [{variable["name"]: variable for variable in each["env"]} for each in (head, rest)]
    assert places[0]["NODE_RANK"]["value"] == "0"
    assert places[0]["MASTER_ADDR"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    number = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert places[1]["NODE_RANK"]["valueFrom"]["fieldRef"]["fieldPath"] == number
    assert places[1]["MASTER_ADDR"]["value"] == f"{first['metadata']['name']}-0.{names['metadata']['name']}"
    assert "readinessProbe" in head
    assert "readinessProbe" not in rest, "it does not listen"
    assert {each["spec"].get("restartPolicy") for each in pods} == {None}, "what serves is started again"


@pytest.mark.parametrize(("case", "gpus"), [("vllm-replicas-on-two-nodes", 8), ("vllm-replica-over-three-nodes", 8)])
def test_every_node_of_a_server_has_its_gpus_and_the_memory_that_vllms_processes_share(case, gpus):
    for each in statefulsets(case):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == {GPU_RESOURCE: gpus}
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/dev/shm"]


@pytest.mark.parametrize(
    ("case", "shared"),
    [
        (CASES["vllm-cpu"], False),
        (vllm({"tp": 2}, CPU), True),
        (vllm({"dp": 2}, CPU | {"nodes": 2}), True),
        (vllm({"tp": 2, "dp": 1}, A100 | {"nodes": 2}), True),
    ],
)
def test_vllm_has_more_shared_memory_than_a_container_has_where_there_are_several_workers(case, shared):
    found = launch(job(case.document), case.values).manifest
    assert ("mountPath: /dev/shm" in found) is shared


@pytest.mark.parametrize(("case", "gpus"), [("megatron-dense", 8), ("vllm", 8), ("vllm-serving", 4), ("custom", 1)])
def test_it_asks_for_the_gpus_that_the_configuration_uses(case, gpus):
    (container,) = pod(manifest(CASES[case]))["containers"]
    assert container["resources"]["limits"] == {GPU_RESOURCE: gpus}
    assert pod(manifest(CASES[case]))["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


@pytest.mark.parametrize("case", ["megatron-cpu", "vllm-cpu"])
def test_without_gpus_none_is_asked_for(case):
    (container,) = pod(manifest(CASES[case]))["containers"]
    assert "resources" not in container
    assert "nodeSelector" not in pod(manifest(CASES[case]))


def test_the_profiles_template_holds_for_the_launch_too():
    template = {
        "spec": {
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "corpus"}}],
            "containers": [{"name": "profile", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        }
    }
    spec = pod(manifest(CASES["megatron-dense"], template=template))
    assert [container["name"] for container in spec["containers"]] == ["main"]
    assert {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]} == {
        "/dev/shm",
        "/etc/autoscout",
        "/data",
    }
    assert {volume["name"] for volume in spec["volumes"]} == {"shared-memory", "files", "data"}


def test_a_template_that_does_not_fit_is_named():
    with pytest.raises(LaunchError) as refused:
        manifest(CASES["custom"], template={"kind": "Pod"})
    assert refused.value.field == "profile.template.kind"


def test_a_job_without_an_image_has_a_place_to_fill_in():
    document = CASES["vllm"].document
    del document["spec"]["profile"]["image"]
    found = launch(job(document), CASES["vllm"].values).manifest
    assert f"image: {IMAGE}" in found
    assert f"# The job names no image: replace {IMAGE}." in found


def test_a_service_begins_with_a_letter():
    document = CASES["vllm"].document
    document["metadata"]["name"] = "8b"
    assert "\n  name: run-8b\n" in launch(job(document), CASES["vllm"].values).manifest


def test_words_that_the_kubelet_would_expand_arrive_as_they_are():
    (container,) = pod(manifest(CASES["custom"]))["containers"]
    assert container["args"][-1] == "it's $$(HOME)"


def test_a_model_whose_name_looks_like_a_reference_to_a_variable_is_quoted():
    case = vllm({"tp": 2}, model={"name": "m\0{y:-$(touch here)}"})
    found = launch(job(case.document), case.values)
    assert "vllm serve 'm\0{y:-$(touch here)}' " in found.command
    (container,) = pod(manifest(case))["containers"]
    assert container["args"][1] == "m\0{y:-$$(touch here)}"


@pytest.mark.parametrize(
    "case", [CASES["megatron-two-nodes"], CASES["vllm"], CUSTOM], ids=["megatron", "vllm", "custom"]
)
def test_the_variables_of_the_profile_are_those_of_the_launch(case: Case):
    parameter = next(iter(case.values))
    variables = [
        {"name": "NCCL_ALGO", "value": "Ring"},
        {"name": "CUDA_DEVICE_MAX_CONNECTIONS", "value": "8"},
        {"name": "CHOSEN", "value": f"is $(params.{parameter})"},
    ]
    document = case.document
    document["spec"]["profile"] |= {"env": variables}
    found = launch(job(document), case.values)
    chosen = f"is {case.values[parameter]}"
    assert f"NCCL_ALGO=Ring CUDA_DEVICE_MAX_CONNECTIONS=8 CHOSEN='{chosen}' " in found.command.replace(
        "CUDA_DEVICE_MAX_CONNECTIONS=8 NCCL_ALGO=Ring", "NCCL_ALGO=Ring CUDA_DEVICE_MAX_CONNECTIONS=8"
    )
    assert f"export CHOSEN='{chosen}'\n" in found.script
    (container,) = pod(manifest(case, env=variables))["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert (values["NCCL_ALGO"], values["CUDA_DEVICE_MAX_CONNECTIONS"], values["CHOSEN"]) == ("Ring", "8", chosen)


def test_the_line_the_script_and_the_manifest_say_the_same():
    found = launch(job(CASES["vllm"].document), CASES["vllm"].values)
    words = found.command.split()
    joined = " ".join(row.strip(" \\") for row in found.script.splitlines() if not row.startswith(("#", "set")))
    assert joined == f"exec {found.command}"
    (container,) = pod(manifest(CASES["vllm"]))["containers"]
    assert [part for word in (*container["command"], *container["args"]) for part in word.split("=")] == words


def entry(number: int, seconds: float, case: Case) -> Entry:
    space = problem(job(case.document)).space
    trial = Trial(number, space.canonical(case.values), "default")
    return Entry(trial, (Attempt("Measured"),), Measured({"seconds_per_iteration": seconds}), number)


def result_of(case: Case, entries: int):
    tuning_job = job(case.document)
    ledger = Ledger(tuple(entry(number, 1.0 + number, case) for number in range(entries)))
    verdict = Verdict(Phase.COMPLETE, "MaxProfiles", "done")
    return launched_result(tuning_job, problem(tuning_job), ledger, verdict=verdict, seconds=1.0)


def test_a_result_holds_the_launch_of_its_best():
    found = result_of(megatron({"mbs": 2}), 3)
    assert "--micro-batch-size 2" in found.script
    assert "--micro-batch-size=2" in found.manifest
    assert found.best is not None
    assert "--micro-batch-size 2" in found.best.command


def test_a_frameworks_long_command_is_shown_for_default_and_best_only():
    assert [bool(line.command) for line in result_of(megatron({"mbs": 2}), 3).trials] == [True, False, False]
    assert all(line.command for line in result_of(CUSTOM, 3).trials)


def test_nothing_measured_nothing_launched():
    found = result_of(megatron({"mbs": 2}), 0)
    assert (found.script, found.manifest) == ("", "")


def test_a_best_that_its_framework_can_not_be_started_with_has_no_launch():
    found = result_of(Case({"tpc": "rs_ag"}, megatron({}).workload, A100, {}), 1)
    assert (found.script, found.manifest) == ("", "")

"""The pod that Mage's own executor makes of our manifests, made by Mage in the image."""

import json

import pytest
import yaml

from tests.containers.compose import IMAGE, ROOT, docker

pytestmark = [pytest.mark.containers, pytest.mark.xdist_group("containers")]
MANIFESTS = ROOT / "deploy" / "kubernetes"
PROGRAM = """
import json, os, pathlib, sys
given = json.load(sys.stdin)
pathlib.Path("/tmp/executor.yaml").write_text(given["executor"])
os.environ["K8S_CONFIG_FILE"] = "/tmp/executor.yaml"
from kubernetes import client
from mage_ai.services.k8s.config import K8sExecutorConfig
from mage_ai.services.k8s.job_manager import JobManager
api = client.ApiClient()
manager = JobManager.__new__(JobManager)  # its constructor asks a cluster for this pod
manager.job_name, manager.namespace, manager.logger = "mage-data-prep-block-1", "nyc-tlc", None
manager.api_version, manager.container_name = "batch/v1", ""
spec = api._ApiClient__deserialize(given["pod"], "V1PodSpec")
manager.pod_config = client.V1Pod(spec=spec)
command = ["/app/run_app.sh", "mage", "run", "/data/mage_project", "tlc_trips"]
job = manager.create_job_object(command, K8sExecutorConfig.load(config={}))
print("JOB" + json.dumps(api.sanitize_for_serialization(job)))
"""


@pytest.fixture(scope="module")
def job(checkout) -> dict:
    (scheduler,) = yaml.safe_load_all((MANIFESTS / "scheduler.yaml").read_text())
    settings = list(yaml.safe_load_all((MANIFESTS / "settings.yaml").read_text()))
    pod = scheduler["spec"]["template"]["spec"]
    given = {"pod": pod, "executor": settings[1]["data"]["executor.yaml"]}
    said = docker(
        "run", "--rm", "--interactive", "--entrypoint", "/opt/venv/bin/python", IMAGE, "-c",
        PROGRAM, input=json.dumps(given),
    ).stdout  # fmt: skip
    return json.loads(said[said.index("JOB") + 3 :].splitlines()[0])


def test_it_fits_the_schema_and_restricted_pod_security(job):
    import kubernetes_validate

    kubernetes_validate.validate(job, "1.37", strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    assert security["runAsNonRoot"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_it_has_the_schedulers_settings_secrets_volume_and_command(job):
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"secretRef": {"name": "nyc-tlc"}} in container["envFrom"]
    assert {"configMapRef": {"name": "nyc-tlc"}} in container["envFrom"]
    assert "/data" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["image"] == "nyc-tlc-mage"
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}
    assert (pod["serviceAccountName"], pod["restartPolicy"]) == ("nyc-tlc", "Never")

    program, *_ = container["command"]
    done = docker("run", "--rm", "--entrypoint", program, IMAGE, "mage", "run", "--help")
    assert "--block-uuid" in done.stdout

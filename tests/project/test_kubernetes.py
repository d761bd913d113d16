"""The manifests fit Kubernetes' own schema, and its restricted pod security."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
RESOURCES = [
    pytest.param(resource, id=f"{resource['kind']}/{resource['metadata']['name']}")
    for path in FILES
    for resource in yaml.safe_load_all(path.read_text("utf-8"))
]
PODS = {
    resource.values[0]["metadata"]["name"]: resource.values[0]["spec"]
    for resource in RESOURCES
    if resource.values[0]["kind"] in {"Deployment", "CronJob"}
}
VERSIONS = ("1.31", "1.37")
SECRETS = {"POSTGRES_PASSWORD", "DEFAULT_OWNER_PASSWORD", "JWT_SECRET", "JWT_DOWNLOAD_SECRET"}
DEV_ENV = set(re.findall(r"^([A-Z_]+)=", (ROOT / "dev.env").read_text("utf-8"), re.MULTILINE))


def pod(name: str) -> dict:
    spec = PODS[name]
    return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES)
def test_it_fits_the_schema(resource, version):
    import kubernetes_validate

    kubernetes_validate.validate(resource, version, strict=True)


def test_kustomize_applies_every_file():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
    assert sorted(kustomization["resources"]) == [path.name for path in FILES]


def test_there_is_a_ui_a_scheduler_and_a_job():
    assert set(PODS) == {"ui", "scheduler", "monthly-load"}
    assert not [param for param in RESOURCES if param.values[0]["kind"] == "Secret"]


@pytest.mark.parametrize("name", PODS)
class TestPod:
    def test_it_is_restricted(self, name):
        security = pod(name)["securityContext"]
        assert security["runAsNonRoot"]
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod(name)["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_it_gets_secrets_by_reference_only(self, name):
        (container,) = pod(name)["containers"]
        assert {"secretRef": {"name": "nyc-tlc"}} in container["envFrom"]
        assert not SECRETS & {variable["name"] for variable in container.get("env", ())}

    def test_it_has_limits_and_a_writable_place(self, name):
        (container,) = pod(name)["containers"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/data", "/tmp"} <= mounts

    def test_only_the_scheduler_may_ask_kubernetes(self, name):
        assert pod(name)["automountServiceAccountToken"] is (name == "scheduler")

    def test_the_servers_are_asked_for_their_health(self, name):
        (container,) = pod(name)["containers"]
        probes = {"startupProbe", "livenessProbe", "readinessProbe"}
        assert probes & container.keys() == (set() if name == "monthly-load" else probes)


def test_its_settings_are_known_and_no_secrets():
    settings = next(p.values[0] for p in RESOURCES if p.values[0]["kind"] == "ConfigMap")
    assert settings["data"].keys() <= DEV_ENV
    assert not SECRETS & settings["data"].keys()

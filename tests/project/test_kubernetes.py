"""The manifests fit Kubernetes' own schema, and its restricted pod security."""

import pytest
import yaml

from tests.repository import DEV_ENV, ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
RESOURCES = {
    f"{resource['kind']}/{resource['metadata']['name']}": resource
    for path in FILES
    for resource in yaml.safe_load_all(path.read_text("utf-8"))
}
PODS = {
    key.split("/")[1]: resource["spec"].get("jobTemplate", resource)["spec"]["template"]["spec"]
    for key, resource in RESOURCES.items()
    if resource["kind"] in {"Deployment", "CronJob"}
}
JOBS = {"monthly-load", "heartbeat"}
SECRETS = {"POSTGRES_PASSWORD", "DEFAULT_OWNER_PASSWORD", "JWT_SECRET", "JWT_DOWNLOAD_SECRET"}


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("key", RESOURCES)
def test_it_fits_the_schema(key, version):
    import kubernetes_validate

    kubernetes_validate.validate(RESOURCES[key], version, strict=True)


def test_kustomize_applies_every_file_and_none_has_a_secret():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
    assert sorted(kustomization["resources"]) == [path.name for path in FILES]
    assert set(PODS) == {"ui", "scheduler", *JOBS}
    assert not [key for key in RESOURCES if key.startswith("Secret/")]
    assert RESOURCES["ConfigMap/nyc-tlc"]["data"].keys() <= DEV_ENV.keys() - SECRETS


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted_bounded_and_gets_secrets_by_reference_only(name):
    pod = PODS[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # Only the scheduler may ask Kubernetes.
    assert pod["automountServiceAccountToken"] is (name == "scheduler")
    assert {"secretRef": {"name": "nyc-tlc"}} in container["envFrom"]
    assert not SECRETS & {variable["name"] for variable in container.get("env", ())}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert {"/data", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    probes = {"startupProbe", "livenessProbe", "readinessProbe"}
    assert probes & container.keys() == (set() if name in JOBS else probes)

"""Through the network that people have: proxies, and certificates of their own."""

import os
import ssl

import pytest

from embedded.servers.cdn import CdnServer
from nyc_tlc.adapters.lake import gcs as gcs_lake
from nyc_tlc.adapters.lake import gcs_bucket
from nyc_tlc.adapters.source.cdn import HttpSource
from nyc_tlc.core.errors import PipelineError
from nyc_tlc.jobs.open import open_job
from tests.ports.certificates import write_certificate

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture
def behind_a_proxy(monkeypatch):
    """Of a proxy that does not answer, and nothing that spares this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    gcs_lake._client.cache_clear()


@pytest.fixture
def published(tmp_path):
    (tmp_path / "cdn" / "misc").mkdir(parents=True)
    (tmp_path / "cdn" / "misc" / "a.csv").write_text("published")
    return tmp_path / "cdn"


@pytest.mark.usefixtures("behind_a_proxy")
def test_the_servers_of_this_machine_are_asked_without_a_proxy(published, gcs, tmp_path):
    with CdnServer(published) as cdn:
        source = HttpSource(cdn.url, timeout=5)
        assert source.probe("misc/a.csv", unless_etag=None).bytes == 9
        assert (
            source.fetch("misc/a.csv", tmp_path, unless_etag=None).path.read_text() == "published"
        )
    url = f"gs://{gcs.bucket}/proxied"
    lake = gcs_lake.connect(url, cache=tmp_path / "cache", emulator=gcs.url, key_file=None)
    lake.write("a.json", b"{}", if_generation=0)
    assert lake.read("a.json")[0] == b"{}"
    gcs_bucket.connect(url, emulator=gcs.url, key_file=None).settings()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_companys_certificate_is_trusted_where_it_is_named(
    published, name, monkeypatch, tmp_path
):
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, "")  # and put back afterwards
    for variable, value in {
        "POSTGRES_DBNAME": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "x",
        "LAKE_URL": str(tmp_path / "lake"), "BIGQUERY_DATASET": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    certificate = write_certificate(tmp_path / "company.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with CdnServer(published) as cdn:
        cdn.socket = context.wrap_socket(cdn.socket, server_side=True)
        source = HttpSource(cdn.url.replace("http:", "https:"), timeout=5)
        with pytest.raises(PipelineError):
            source.probe("misc/a.csv", unless_etag=None)
        os.environ[name] = str(certificate)
        open_job(lambda _: None)
        assert source.probe("misc/a.csv", unless_etag=None).bytes == 9

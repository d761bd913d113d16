"""Every word of Google's documented lists is recognised, and told with its own next step.

The lists were read on 2026-11-28 from the pages that ``refusals.py`` names.
"""

import json
from pathlib import Path

import pytest
import requests
from google.api import error_reason_pb2
from google.api_core import exceptions as api
from google.rpc import code_pb2

from nyc_tlc.adapters.bigquery.errors import BigQueryErrors
from nyc_tlc.adapters.google.refusals import NEXT_STEP, Kind, Refusal, refusal_of, refusal_of_job
from nyc_tlc.adapters.lake import gcs
from nyc_tlc.adapters.lake.gcs_errors import GcsErrors
from nyc_tlc.core.errors import ConfigurationError, ContractError, RetryableError
from tests.ports.lake import gcs_wire
from tests.ports.scripted_http import Answer, serve

BIGQUERY = {
    "accessDenied": 403, "attributeError": 400, "backendError": 503, "badRequest": 400,
    "billingNotEnabled": 403, "billingTierLimitExceeded": 400, "blocked": 403, "duplicate": 409,
    "internalError": 500, "invalid": 400, "invalidQuery": 400, "invalidUser": 400,
    "jobBackendError": 400, "jobInternalError": 400, "jobRateLimitExceeded": 400, "notFound": 404,
    "notImplemented": 501, "proxyAuthenticationRequired": 407, "quotaExceeded": 403,
    "rateLimitExceeded": 403, "resourceInUse": 400, "resourcesExceeded": 400,
    "responseTooLarge": 403, "stopped": 200, "tableUnavailable": 400, "timeout": 400,
}  # fmt: skip
STORAGE = {
    "badRequest": 400, "badRequestException": 400, "cloudKmsBadKey": 400,
    "cloudKmsCannotChangeKeyName": 400, "cloudKmsDecryptionKeyNotFound": 400,
    "cloudKmsDisabledKey": 400, "cloudKmsEncryptionKeyNotFound": 400,
    "cloudKmsKeyLocationNotAllowed": 400, "customerEncryptionAlgorithmIsInvalid": 400,
    "customerEncryptionKeyFormatIsInvalid": 400, "customerEncryptionKeyIsIncorrect": 400,
    "customerEncryptionKeySha256IsInvalid": 400, "invalid": 400, "invalidAltValue": 400,
    "invalidArgument": 400, "invalidParameter": 400, "notDownload": 400, "notUpload": 400,
    "parseError": 400, "push.channelIdInvalid": 400, "push.channelIdNotUnique": 400,
    "push.webhookUrlNoHostOrAddress": 400, "push.webhookUrlNotHttps": 400, "required": 400,
    "resourceIsEncryptedWithCustomerEncryptionKey": 400,
    "resourceNotEncryptedWithCustomerEncryptionKey": 400, "turnedDown": 400,
    "userProjectInconsistent": 400, "userProjectInvalid": 400, "userProjectMissing": 400,
    "wrongUrlForUpload": 400, "AuthenticationRequiredRequesterPays": 401, "authError": 401,
    "lockedDomainExpired": 401, "push.webhookUrlUnauthorized": 401, "accountDisabled": 403,
    "countryBlocked": 403, "forbidden": 403, "insufficientPermissions": 403,
    "objectUnderActiveHold": 403, "quotaExceeded": 403, "rateLimitExceeded": 403,
    "retentionPolicyNotMet": 403, "sslRequired": 403, "stopChannelCallerNotOwner": 403,
    "UsageLimits.accessNotConfigured": 403, "UserProjectAccessDenied": 403,
    "UserProjectAccountProblem": 403, "userRateLimitExceeded": 403, "vpcServiceControls": 403,
    "notFound": 404, "methodNotAllowed": 405, "uploadBrokenConnection": 408, "conflict": 409,
    "gone": 410, "conditionNotMet": 412, "orgPolicyConstraintFailed": 412, "uploadTooLarge": 413,
    "requestedRangeNotSatisfiable": 416, "usageLimits.rateLimitExceeded": 429, "backendError": 500,
    "internalError": 500, "gatewayTimeout": 504,
}  # fmt: skip
REASONS = sorted(set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"})
STATUSES = sorted(set(code_pb2.Code.keys()) - {"OK", "UNKNOWN"})
PERIMETER = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x"


def _error(code: int, answer: object) -> api.GoogleAPICallError:
    response = requests.Response()
    response.status_code, response._content = code, json.dumps(answer).encode()
    response.request = requests.Request("GET", "https://bigquery.googleapis.com").prepare()
    return api.from_http_response(response)


def _answered(code: int, message: str = "no", **fields: object) -> Refusal:
    return refusal_of(_error(code, {"error": {"code": code, "message": message, **fields}}))


@pytest.mark.parametrize(("reason", "code"), sorted({*BIGQUERY.items(), *STORAGE.items()}), ids=str)
def test_every_documented_reason_is_recognised(reason: str, code: int) -> None:
    found = _answered(code, errors=[{"reason": reason}])
    assert found.word == reason
    assert found.kind is not Kind.UNKNOWN
    assert refusal_of_job({"reason": reason, "message": "no"}).kind is not Kind.UNKNOWN


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_error_info_is_recognised_before_the_word_beside_it(reason: str) -> None:
    found = _answered(
        403,
        status="PERMISSION_DENIED",
        errors=[{"reason": "forbidden"}],
        details=[{"@type": "type.googleapis.com/google.rpc.Help"}, {"reason": reason}],
    )
    assert found.word == reason
    assert found.kind is not Kind.UNKNOWN


@pytest.mark.parametrize("status", STATUSES)
def test_every_canonical_status_is_recognised(status: str) -> None:
    found = _answered(400, status=status)
    assert found.word == status
    assert found.kind is not Kind.UNKNOWN


@pytest.mark.parametrize("code", [*range(400, 432), 451, 499, *range(500, 512), 599])
def test_a_status_alone_says_whether_the_same_call_may_succeed_later(code: int) -> None:
    passing = {408, 409, 410, 425, 429, 499, *range(500, 600)} - {501}
    assert (_answered(code).kind is Kind.PASSING) == (code in passing)


@pytest.mark.parametrize(
    ("code", "fields", "kind"),
    [
        (403, {"message": PERIMETER, "errors": [{"reason": "accessDenied"}]}, Kind.POLICY),
        (400, {"message": "Invalid project ID", "errors": [{"reason": "invalid"}]}, Kind.PROJECT),
        (400, {"message": "Bucket is requester pays bucket", "errors": [{"reason": "required"}]},
         Kind.REQUESTER_PAYS),
        (401, {"errors": [{"reason": "required"}]}, Kind.CREDENTIALS),
        (403, {"errors": [{"reason": "new"}, {"reason": "billingNotEnabled"}]}, Kind.BILLING),
        (403, {"errors": [{"reason": "neverHeardOf"}]}, Kind.PERMISSION),
        (418, {"errors": [{"reason": "neverHeardOf"}]}, Kind.UNKNOWN),
        (400, {"errors": "x", "details": [], "status": None}, Kind.UNKNOWN),
    ],
)  # fmt: skip
def test_the_most_telling_word_decides(code: int, fields: dict[str, object], kind: Kind) -> None:
    message = str(fields.pop("message", "no"))
    assert _answered(code, message, **fields).kind is kind


def _example(kind: Kind) -> tuple[str, int]:
    """A reason of Cloud Storage or BigQuery of this kind."""
    for reason, code in {**BIGQUERY, **STORAGE, "CONSUMER_SUSPENDED": 403, "unheard": 418}.items():
        if _answered(code, errors=[{"reason": reason}]).kind is kind:
            return reason, code
    raise LookupError(kind)


@pytest.mark.parametrize("kind", NEXT_STEP, ids=lambda kind: kind.name)
def test_each_kind_ends_in_its_own_next_step_and_is_not_tried_again(kind: Kind) -> None:
    reason, code = _example(kind)
    error = _error(code, {"error": {"message": "Google's words.", "errors": [{"reason": reason}]}})
    with (
        pytest.raises(ConfigurationError, match=r"x was refused \(Google's words\)") as of_lake,
        GcsErrors("gs://lake", "lake").of("x", "storage.objects.get"),
    ):
        raise error
    assert str(of_lake.value).endswith(NEXT_STEP[kind].format(place="bucket lake"))
    with (
        pytest.raises((ConfigurationError, ContractError), match="Google's words") as of_dataset,
        BigQueryErrors("some-project", "tlc").explained(),
    ):
        raise error
    if kind is not Kind.REQUEST:
        step = NEXT_STEP[kind].format(place="dataset some-project.tlc")
        assert str(of_dataset.value).endswith(step)
    assert ("not recognised" in str(of_dataset.value)) == (kind is Kind.UNKNOWN)


@pytest.mark.parametrize(
    "reason", ["userProjectMissing", "invalid", "accountDisabled", "forbidden"]
)
def test_a_permanent_refusal_costs_one_request(tmp_path: Path, reason: str) -> None:
    refused = gcs_wire.error(STORAGE[reason], "no", reason)
    with serve(lambda _request: refused) as server:
        lake = gcs.connect("gs://lake", cache=tmp_path, emulator=server.url, key_file=None)
        with pytest.raises(ConfigurationError):
            lake.stat("x")
    assert len(server.requests) == 1


def test_a_refusal_for_now_is_tried_again(tmp_path: Path) -> None:
    answers = [gcs_wire.error(429, "later", "rateLimitExceeded")] * 2
    missing = Answer(404, {}, b"")
    with serve(lambda _request: answers.pop() if answers else missing) as server:
        lake = gcs.connect("gs://lake", cache=tmp_path, emulator=server.url, key_file=None)
        assert lake.stat("x") is None
    assert len(server.requests) == 3


def test_a_rate_limit_told_as_403_is_left_to_the_run(tmp_path: Path) -> None:
    refused = gcs_wire.error(403, "slow down", "userRateLimitExceeded")
    with serve(lambda _request: refused) as server:
        lake = gcs.connect("gs://lake", cache=tmp_path, emulator=server.url, key_file=None)
        with pytest.raises(RetryableError):
            lake.stat("x")

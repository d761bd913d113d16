"""What Google's services say when they refuse, and what whoever runs this can do about it.

Sources, read on 2026-11-28: BigQuery's error table (cloud.google.com/bigquery/docs/error-messages),
Cloud Storage's (cloud.google.com/storage/docs/json_api/v1/status-codes), the reasons of ErrorInfo
(google/api/error_reason.proto) and the canonical codes (google/rpc/code.proto).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import requests
from google.api_core import exceptions as api
from google.cloud.storage import exceptions as storage_errors


class Kind(Enum):
    """Refusals with the same next step."""

    PASSING = auto()
    PERMISSION = auto()
    CREDENTIALS = auto()
    MISSING = auto()
    CHANGED = auto()
    BILLING = auto()
    API_DISABLED = auto()
    PROJECT = auto()
    QUOTA_PROJECT = auto()
    SUSPENDED = auto()
    POLICY = auto()
    RETENTION = auto()
    ENCRYPTION = auto()
    REQUESTER_PAYS = auto()
    PROXY = auto()
    LIMIT = auto()
    BLOCKED = auto()
    REQUEST = auto()
    UNKNOWN = auto()


_WORDS = {
    Kind.PASSING: """
        backendError internalError jobBackendError jobInternalError jobRateLimitExceeded
        rateLimitExceeded userRateLimitExceeded quotaExceeded dailyLimitExceeded stopped timeout
        tableUnavailable uploadBrokenConnection conflict gone gatewayTimeout RESOURCE_QUOTA_EXCEEDED
        EMULATOR_QUOTA_EXCEEDED RESOURCE_EXHAUSTED ABORTED CANCELLED INTERNAL UNAVAILABLE
        DEADLINE_EXCEEDED DATA_LOSS""",
    Kind.PERMISSION: """
        accessDenied forbidden insufficientPermissions IAM_PERMISSION_DENIED PERMISSION_DENIED""",
    Kind.CREDENTIALS: """
        authError invalidUser lockedDomainExpired ACCESS_TOKEN_EXPIRED
        ACCESS_TOKEN_SCOPE_INSUFFICIENT ACCESS_TOKEN_TYPE_UNSUPPORTED ACCOUNT_STATE_INVALID
        ACCOUNT_TYPE_UNSUPPORTED CREDENTIALS_MISSING CREDENTIAL_TYPE_UNSUPPORTED
        CREDENTIAL_ANDROID_APP_INVALID JWT_TOKEN_INVALID SESSION_COOKIE_INVALID
        USER_BLOCKED_BY_ADMIN OVERLOADED_CREDENTIALS API_KEY_INVALID API_KEY_SERVICE_BLOCKED
        API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED API_KEY_ANDROID_APP_BLOCKED
        API_KEY_IOS_APP_BLOCKED MISSING_ORIGIN UNAUTHENTICATED""",
    Kind.MISSING: "notFound",
    Kind.CHANGED: "conditionNotMet",
    Kind.BILLING: "billingNotEnabled accountDisabled UserProjectAccountProblem BILLING_DISABLED",
    Kind.API_DISABLED: """
        accessNotConfigured SERVICE_DISABLED SERVICE_NOT_VISIBLE MCP_SERVER_DISABLED""",
    Kind.PROJECT: """
        userProjectInvalid userProjectInconsistent CONSUMER_INVALID RESOURCE_PROJECT_INVALID""",
    Kind.QUOTA_PROJECT: "UserProjectAccessDenied USER_PROJECT_DENIED",
    Kind.SUSPENDED: "CONSUMER_SUSPENDED GCP_SUSPENDED",
    Kind.POLICY: """
        vpcServiceControls policyViolation orgPolicyConstraintFailed countryBlocked
        SECURITY_POLICY_VIOLATED ORG_RESTRICTION_VIOLATION ORG_RESTRICTION_HEADER_INVALID
        LOCATION_ORG_POLICY_VIOLATED LOCATION_POLICY_VIOLATED LOCATION_TAX_POLICY_VIOLATED
        RESOURCE_USAGE_RESTRICTION_VIOLATED ENDPOINT_USAGE_RESTRICTION_VIOLATED
        TLS_ORG_POLICY_VIOLATED TLS_CIPHER_RESTRICTION_VIOLATED""",
    Kind.RETENTION: "retentionPolicyNotMet objectUnderActiveHold",
    Kind.ENCRYPTION: """
        cloudKmsBadKey cloudKmsCannotChangeKeyName cloudKmsDecryptionKeyNotFound
        cloudKmsDisabledKey cloudKmsEncryptionKeyNotFound cloudKmsKeyLocationNotAllowed
        customerEncryptionAlgorithmIsInvalid customerEncryptionKeyFormatIsInvalid
        customerEncryptionKeyIsIncorrect customerEncryptionKeySha256IsInvalid
        resourceIsEncryptedWithCustomerEncryptionKey
        resourceNotEncryptedWithCustomerEncryptionKey""",
    Kind.REQUESTER_PAYS: "userProjectMissing AuthenticationRequiredRequesterPays",
    Kind.PROXY: "proxyAuthenticationRequired",
    Kind.LIMIT: "resourcesExceeded responseTooLarge billingTierLimitExceeded uploadTooLarge",
    Kind.BLOCKED: "blocked",
    Kind.REQUEST: """
        badRequest badRequestException invalid invalidArgument invalidParameter invalidAltValue
        invalidQuery attributeError parseError required notDownload notUpload wrongUrlForUpload
        turnedDown methodNotAllowed requestedRangeNotSatisfiable notImplemented duplicate
        resourceInUse sslRequired stopChannelCallerNotOwner channelIdInvalid channelIdNotUnique
        webhookUrlNoHostOrAddress webhookUrlNotHttps webhookUrlUnauthorized
        SYSTEM_PARAMETER_UNSUPPORTED INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE
        ALREADY_EXISTS UNIMPLEMENTED""",
}
_STATUSES = {
    401: Kind.CREDENTIALS, 403: Kind.PERMISSION, 404: Kind.MISSING, 407: Kind.PROXY,
    408: Kind.PASSING, 409: Kind.PASSING, 410: Kind.PASSING, 412: Kind.CHANGED, 425: Kind.PASSING,
    429: Kind.PASSING, 499: Kind.PASSING, 501: Kind.REQUEST,
}  # fmt: skip
"""For an answer without a word that we know."""
_MESSAGES = {
    re.compile("Could not serialize access"): Kind.PASSING,  # two changes of one partition
    re.compile("VPC Service Controls|vpcServiceControls|organization.s policy"): Kind.POLICY,
    re.compile("(?i)invalid project"): Kind.PROJECT,
    re.compile("(?i)requester pays"): Kind.REQUESTER_PAYS,
}
"""What Google says under a word that is also used for other refusals."""
_DOCUMENTED = "https://cloud.google.com/bigquery/docs/error-messages, for Cloud Storage "
_DOCUMENTED += "https://cloud.google.com/storage/docs/json_api/v1/status-codes"
NEXT_STEP = {
    Kind.BILLING: "Billing is off, or has a problem, in the project of {place}: its owner mends "
    "that at https://console.cloud.google.com/billing.",
    Kind.API_DISABLED: "The API is off in the project that asks: gcloud services enable "
    "bigquery.googleapis.com storage.googleapis.com --project=PROJECT",
    Kind.PROJECT: "No such project can be used: correct BIGQUERY_PROJECT, or the project of the "
    "credentials (gcloud auth application-default set-quota-project PROJECT).",
    Kind.QUOTA_PROJECT: "The account may not use the project of its credentials for quota and "
    "billing: gcloud projects add-iam-policy-binding PROJECT --member=serviceAccount:ACCOUNT "
    "--role=roles/serviceusage.serviceUsageConsumer",
    Kind.SUSPENDED: "Google has suspended the project: its owner asks Google Cloud's support.",
    Kind.POLICY: "A policy of the organization forbids it (a service perimeter, an allowed "
    "location, a TLS version): no role helps. Show its administrator the message above.",
    Kind.RETENTION: "A retention policy or a hold keeps objects which the lake must replace: take "
    "it off {place}, or name another bucket (LAKE_URL). Object versioning keeps old versions too.",
    Kind.ENCRYPTION: "The key that encrypts {place} cannot be used: it must be an enabled Cloud "
    "KMS key in the bucket's location, which Cloud Storage's service agent may use "
    "(roles/cloudkms.cryptoKeyEncrypterDecrypter). A key sent with each request is not supported.",
    Kind.REQUESTER_PAYS: "Requesters pay for {place}, which is not supported: gcloud storage "
    "buckets update gs://BUCKET --no-requester-pays; or name another bucket (LAKE_URL).",
    Kind.PROXY: "A proxy on the way wants a login: put its user and password into HTTPS_PROXY.",
    Kind.LIMIT: "It is beyond a limit of Google's for one request. Run the month by itself; if it "
    "is refused again, report it.",
    Kind.BLOCKED: "Google has blocked this for some time to protect its service: wait an hour, "
    "then ask Google Cloud's support.",
    Kind.REQUEST: "The service does not take what we sent: correct LAKE_URL, BIGQUERY_PROJECT and "
    "BIGQUERY_DATASET if the message is about a name; else this is a defect to report.",
    Kind.UNKNOWN: f"The refusal is not recognised; Google's lists are {_DOCUMENTED}. "
    "Ask whoever owns {place}.",
}
_MOST_SAID = 1_000
"""Characters of the service's message."""


def _plain(word: str) -> str:
    """``usageLimits.rateLimitExceeded`` and ``RATE_LIMIT_EXCEEDED`` are one word."""
    return word.rpartition(".")[2].replace("_", "").casefold()


KINDS: Mapping[str, Kind] = {
    _plain(word): kind for kind, words in _WORDS.items() for word in words.split()
}


@dataclass(frozen=True)
class Refusal:
    """An answer of a service.

    Attributes:
        kind: What it takes.
        message: What the service said.
        word: By what it was recognised: Google's reason, its status, or the HTTP status.
        code: The HTTP status; None of a job.
    """

    kind: Kind
    message: str
    word: str
    code: int | None = None

    def next_step(self, place: str) -> str:
        """What whoever runs this does about it; ``place`` is the bucket or dataset."""
        return NEXT_STEP[self.kind].format(place=place)


def refusal_of(error: api.GoogleAPICallError | storage_errors.InvalidResponse) -> Refusal:
    """What an answer means, by the most telling of Google's words in it."""
    response: requests.Response | None = getattr(error, "response", None)
    code = response.status_code if response is not None else getattr(error, "code", None)
    answer = _answer(response)
    message = answer.get("message") or getattr(error, "message", "") or str(error)
    return _recognised(_words_of(answer), str(message), int(code) if code else None)


def refusal_of_job(failure: Mapping[str, Any]) -> Refusal:
    """What ended a job of BigQuery that was accepted."""
    return _recognised([failure.get("reason")], str(failure.get("message")), None)


def _answer(response: requests.Response | None) -> Mapping[str, Any]:
    """The error that Google's JSON describes; empty where an answer has none."""
    try:
        answer = {} if response is None else response.json()["error"]
    except (KeyError, TypeError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _words_of(answer: Mapping[str, Any]) -> Iterable[object]:
    for field in ("details", "errors"):
        listed = answer.get(field)
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict):
                yield item.get("reason")
    yield answer.get("status")


def _recognised(words: Iterable[object], message: str, code: int | None) -> Refusal:
    said = [str(word) for word in words if word]
    known = [word for word in said if _plain(word) in KINDS]
    word = next(iter(known or said), str(code))
    kind = KINDS.get(_plain(word)) or _by_status(code)
    kind = next((kind for form, kind in _MESSAGES.items() if form.search(message)), kind)
    if code == 401 and kind is not Kind.REQUESTER_PAYS:
        kind = Kind.CREDENTIALS
    return Refusal(kind, message[:_MOST_SAID].rstrip("."), word, code)


def _by_status(code: int | None) -> Kind:
    if code is not None and (code >= 500 or code < 400):
        return _STATUSES.get(code, Kind.PASSING)
    return _STATUSES.get(code or 0, Kind.UNKNOWN)

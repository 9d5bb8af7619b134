"""What errors of object storage mean for the user: one line, without secrets."""

from __future__ import annotations

import os
import re
from typing import Final

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from components.errors import AntiphonError, StoreError, TransientError
from components.files.redaction import redact

CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (with boto3 installed)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Scheme of a URL -> the variables that hold its credentials, for messages."""

_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")

_DEBUG = "\n\nDebug source:"

# The client has one class for most errors; what it says differs.
_URL = re.compile(r"\w+://\S+")
_MISSING_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_METADATA = re.compile(r"//169\.254\.|//\[?fd00:ec2|//metadata\.google|/latest/(?:api/token|meta-data)")
_NO_CREDENTIALS = re.compile(r"token request|[Cc]redential|401 Unauthorized")
_WRONG_REGION = re.compile(r"redirect without LOCATION|PermanentRedirect|AuthorizationHeaderMalformed")
_TRANSIENT = re.compile(r"HTTP error(?!: builder)|status code: (?:5\d\d|408|429)|timed out")


def is_missing_bucket(error: Exception) -> bool:
    """Return whether the bucket is missing, and not just one object in it."""
    return _MISSING_BUCKET.search(str(error)) is not None


def explain_client_error(error: Exception) -> str:
    """Return in one line what a client says: the service's code and message where it gives them."""
    text = str(error).partition(_DEBUG)[0]
    code, message = (re.search(rf"<{name}>([^<]+)</{name}>", text) for name in ("Code", "Message"))
    if code and message:
        text = f"{code[1]}: {message[1]}"
    return redact(" ".join(text.split())) or type(error).__name__


def to_store_error(error: Exception, url: str, name: str) -> AntiphonError:
    """Return our error for a client's.

    Args:
        error: the client's.
        url: of the store.
        name: the object, relative to it.
    """
    at, scheme, detail = f"{url}/{name}", url.partition("://")[0], explain_client_error(error)
    if is_missing_bucket(error):
        return StoreError(f"{at}: expected a bucket that exists, found: {detail}; make it, or check --store")
    stated = str(error).partition(_DEBUG)[0]
    text = _URL.sub("", stated)  # names of objects say nothing
    if _WRONG_REGION.search(text):
        return StoreError(f"{at}: expected a bucket in AWS_REGION, found: {detail}; set AWS_REGION to its")
    refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError, PermissionError))
    if refused or _NO_CREDENTIALS.search(text) or _METADATA.search(stated):
        return StoreError(
            f"{at}: expected credentials that may read and write here, found: {detail}; set "
            f"{CREDENTIALS.get(scheme, 'them in the environment')}"
        )
    if isinstance(error, (ConnectionError, TimeoutError)) or _TRANSIENT.search(text):
        return TransientError(f"{at}: the store does not answer{_endpoint()}: {detail}")
    return StoreError(f"{at}: {type(error).__name__}: {detail}")


def _endpoint() -> str:
    """Return the endpoint that the environment sets, for messages."""
    for variable in _ENDPOINTS:
        if value := os.environ.get(variable):
            return f" ({variable}={redact(value)})"
    return ""

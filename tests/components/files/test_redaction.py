"""No secret that a URL may carry is left in a message."""

import pytest

from components.files.redaction import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://AKIA:SECRET@bucket/x", "s3://***@bucket/x"),
        ("s3://AKIA:SEC/RET@bucket/x", "s3://***@bucket/x"),
        ("found 'simplecache::s3://u:p@b/x', without", "found 'simplecache::s3://***@b/x', without"),
        ("sftp://SECRET@host/x", "sftp://***@host/x"),
        ("s3://b/x?key=SECRET&secret=SECRET#token=SECRET", "s3://b/x?key=***&secret=***#token=***"),
        ("found 'hub:a/b?token=SECRET'", "found 'hub:a/b?token=***'"),
        ("s3://b/x and http://u:p@h", "s3://b/x and http://***@h"),
    ],
)
def test_secrets_of_urls_are_masked(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text", ["s3://bucket/a@2", "http://localhost:9000/a@2", "hub:ORG/NAME@main", "/a b/c", "file:///a?b"]
)
def test_what_holds_no_secret_is_as_it_was(text: str) -> None:
    assert redact(text) == text

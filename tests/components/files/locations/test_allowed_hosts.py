"""Only hosts that were named are asked, and only at public addresses unless those were named, too."""

from __future__ import annotations

import socket

import pytest

from components.errors import ConfigError
from components.files.locations.allowed_hosts import VARIABLE, read_allowed_hosts
from components.files.locations.location import LocationError


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        VARIABLE, "media.example.org, plain.example.org:8443,http://127.0.0.1:8000, 10.1.0.0/16"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example.org/a.wav",
        "https://MEDIA.example.org:443/a.wav?x=1",
        "https://plain.example.org:8443/",
        "http://127.0.0.1:8000/a",
    ],
)
def test_named_hosts_may_be_asked(url: str) -> None:
    read_allowed_hosts().check_url(url)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://media.example.org/a.wav", "add http://media.example.org to it"),
        ("https://media.example.org:8443/a.wav", "add media.example.org:8443 to it"),
        ("https://media.example.org.evil.org/", "another"),
        ("https://evil.org/media.example.org", "another"),
        ("https://media.example.org@evil.org/", "no user name"),
        ("https://u:p@media.example.org/", "no user name"),
        ("https://media.example.org\\@evil.org/", "no user name"),
        ("https://media.example.org/\\evil.org/", "in ASCII"),
        ("https://127.0.0.1:8000/", "another"),
        ("https://media.example.org/a b", "in ASCII"),
        ("https://media.example.org:x/", "a URL"),
        ("https://[/", "a URL"),
        ("https:///a", "another"),
    ],
)
def test_others_are_refused_in_one_line(url: str, what: str) -> None:
    with pytest.raises(LocationError, match=what) as caught:
        read_allowed_hosts().check_url(url)
    assert "\n" not in str(caught.value)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("93.184.216.34", True),
        ("10.1.2.3", True),  # in a network that was named
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_a_name_leads_to_no_private_address(address: str, may: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    hosts = read_allowed_hosts()
    if may:
        assert hosts.resolve("https://media.example.org/a", "media.example.org", 443) == [address]
    else:
        with pytest.raises(LocationError, match=f"expected a public address, found {address}"):
            hosts.resolve("https://media.example.org/a", "media.example.org", 443)


@pytest.mark.parametrize("value", ["*", "https://media.example.org", "a/b", "*.example.org", "u@h", "h:x"])
def test_entries_that_are_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigError, match=f"^{VARIABLE}: expected hosts such as"):
        read_allowed_hosts()

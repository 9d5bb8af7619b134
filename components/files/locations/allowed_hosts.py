"""Which hosts files are fetched from by https, and at which addresses: those that the user has named."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from components.errors import ConfigError
from components.files.locations.location import REFUSED, UNREACHABLE, LocationError

VARIABLE = "ANTIPHON_AUDIO_HOSTS"
_PORTS = {"https": 443, "http": 80}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class AllowedHosts:
    """The hosts of ``ANTIPHON_AUDIO_HOSTS``.

    Attributes:
        origins: scheme, host and port.
        networks: in which addresses may lie that are not public.
    """

    origins: frozenset[tuple[str, str, int]]
    networks: tuple[Network, ...]

    def check_url(self, url: str) -> SplitResult:
        """Return a URL's parts if it may be fetched.

        Raises:
            LocationError: it may not.
        """
        try:
            parts = urlsplit(url)
            origin = (parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme])
        except (ValueError, KeyError):
            raise LocationError(url, "expected a URL, found none", "correct it", reason=REFUSED) from None
        if parts.username is not None or parts.password is not None:
            raise LocationError(
                url, "expected no user name in a URL, found one", "leave it out", reason=REFUSED
            )
        if (
            not url.isascii()
            or "\\" in url
            or any(letter.isspace() or not letter.isprintable() for letter in url)
        ):
            raise LocationError(
                url, "expected a URL in ASCII, found other characters", "quote them with %", reason=REFUSED
            )
        if origin not in self.origins:
            name = origin[1] if origin[2] == _PORTS[origin[0]] else f"{origin[1]}:{origin[2]}"
            entry = name if origin[0] == "https" else f"http://{name}"
            raise LocationError(
                url,
                f"expected a host of {VARIABLE}, found another",
                f"add {entry[:200]} to it",
                reason=REFUSED,
            )
        return parts

    def resolve(self, url: str, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of which may be connected to.

        Raises:
            LocationError: there are none, or one is private, and it is neither named nor in a named network.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            what = f"expected a host with an address, found none ({error})"
            raise LocationError(url, what, "check the name", reason=UNREACHABLE) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for text in addresses:
            if (
                text != host
                and not (host == "localhost" and _parse(text).is_loopback)
                and not self._may(text)
            ):
                raise LocationError(
                    url,
                    f"expected a public address, found {text}",
                    f"add it or its network to {VARIABLE} if that is meant",
                    reason=REFUSED,
                )
        return addresses

    def _may(self, text: str) -> bool:
        address = _parse(text)
        if any(address in network for network in self.networks):
            return True
        return address.is_global and not address.is_multicast


def _parse(text: str) -> Address:
    """Return an address, that of IPv4 where it stands in one of IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def read_allowed_hosts() -> AllowedHosts:
    """Return what ``ANTIPHON_AUDIO_HOSTS`` says: hosts, ``http://`` hosts and networks, divided by commas.

    Raises:
        ConfigError: an entry is none of these.
    """
    origins, networks = set[tuple[str, str, int]](), list[Network]()
    for entry in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        if network := _read_network(entry):
            networks.append(network)
        if "/" not in entry.removeprefix("http://"):
            origins.add(_read_origin(entry))
        elif network is None:
            raise _entry_error(entry)
    return AllowedHosts(frozenset(origins), tuple(networks))


def _read_network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _read_origin(entry: str) -> tuple[str, str, int]:
    scheme = "http" if entry.startswith("http://") else "https"
    host = entry.removeprefix("http://")
    try:
        parts = urlsplit(
            f"{scheme}://[{host}]" if host.count(":") > 1 and host[0] != "[" else f"{scheme}://{host}"
        )
        origin = (scheme, parts.hostname or "", parts.port or _PORTS[scheme])
    except ValueError as error:
        raise _entry_error(entry) from error
    if not origin[1] or parts.username is not None or "*" in origin[1]:
        raise _entry_error(entry)
    return origin


def _entry_error(entry: str) -> ConfigError:
    return ConfigError(
        f"{VARIABLE}: expected hosts such as media.example.org or media.example.org:8443, and networks such "
        f"as 10.0.0.0/8, divided by commas, found {ascii(entry)[:80]}"
    )

"""Members of a tar, found by its headers; nothing of it is trusted and nothing is unpacked."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from components.files.locations.location import MISSING, UNREADABLE, LocationError

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER_BYTES = 1 << 20
"""Of a long name or a pax header: both are read whole."""
MAX_MEMBERS = 2_000_000
_IGNORED_TYPES = (tarfile.DIRTYPE,)
_REGULAR_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_OTHERS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
AUDIO_ENDINGS = ("wav", "flac", "mp3", "ogg", "opus", "oga", "m4a", "aac", "mp4", "mkv", "webm", "mov")
"""Endings that a name may leave out, as Lhotse's cuts do."""


class TarMember(NamedTuple):
    """A member of a tar.

    Attributes:
        name: without a leading ``./``.
        offset: of its first byte.
        size: bytes.
        fault: why it is not opened; None where it may be.
    """

    name: str
    offset: int
    size: int
    fault: str | None = None


class TruncatedTarError(LocationError):
    """A tar ends, or is damaged, before its end; ``member`` is the name of the one that is cut, if known."""

    member: str | None = None


def read_members(tar: str, file: BinaryIO) -> Iterator[TarMember]:
    """Yield the members of a tar in order, folders left out.

    Args:
        tar: its location, for messages.
        file: the tar, not compressed.

    Raises:
        LocationError: it is no tar.
        TruncatedTarError: it ends early or is damaged; what came before is good.
    """
    end, position, long = file.seek(0, 2), 0, dict[str, str]()
    for _ in range(2 * MAX_MEMBERS):
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) == BLOCK and not any(block):
            return
        header = _parse_header(tar, block, position)
        data = position + BLOCK
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_PAX_TYPES):
            long |= _read_long_header(tar, header, file)
            position = data + _padded(header.size)
            continue
        stated = long.get("size", "0")  # of up to a mebibyte
        size = int(long.get("size", header.size)) if stated.isdecimal() and len(stated) < 20 else -1
        if not 0 <= size < 2**62:
            raise _damaged(tar, "a member of no size")
        stored = 0 if header.type in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE) else size
        name = re.sub(r"^(\./)+", "", long.get("path", header.name))
        sparse = any(key.startswith("GNU.sparse") for key in long)
        long, position = {}, data + _padded(stored)
        if header.type in _IGNORED_TYPES:
            continue
        if data + stored > end:
            cut = _damaged(tar, f"the end of the file inside {ascii(name)[:80]}")
            cut.member = name
            raise cut
        what = "a sparse file" if sparse else _OTHERS.get(header.type, "a device or pipe")
        fault = _fault_of_name(name) or (None if header.type in _REGULAR_TYPES and not sparse else what)
        yield TarMember(name, data, size, fault)
    raise _damaged(tar, f"more than {MAX_MEMBERS} members")


_PAX_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _parse_header(tar: str, block: bytes, position: int) -> tarfile.TarInfo:
    if position and len(block) < BLOCK:
        raise _damaged(tar, "the end of the file")
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        if position:
            raise _damaged(tar, f"a damaged header ({error})") from error
        what = (
            "a compressed file" if block[:2] in (b"\x1f\x8b", b"BZ") or block[:4] == b"\xfd7zX" else "another"
        )
        raise LocationError(
            tar,
            f"expected a tar, not compressed, found {what}",
            "unpack it or pack it again",
            reason=UNREADABLE,
        ) from error


def _damaged(tar: str, found: str) -> TruncatedTarError:
    what = f"expected further members, found {found}: truncated or damaged"
    return TruncatedTarError(tar, what, "copy it again", reason=UNREADABLE)


def _read_long_header(tar: str, header: tarfile.TarInfo, file: BinaryIO) -> dict[str, str]:
    """Return what a header says of the next member: its path and size."""
    if not 0 <= header.size <= MAX_HEADER_BYTES:
        raise _damaged(tar, f"a header of {header.size} bytes")
    content = file.read(header.size)
    if len(content) < header.size:
        raise _damaged(tar, "the end of the file inside a header")
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    if header.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
        return {}
    return dict(_read_pax_records(tar, content))


def _read_pax_records(tar: str, content: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(content) and content[position : position + 1] != b"\0":
        match = re.compile(rb"([0-9]{1,8}) ([^=\n]+)=").match(content, position)
        length = int(match[1]) if match else 0
        if match is None or not match.end() - position < length <= len(content) - position:
            raise _damaged(tar, "a damaged header")
        value = content[match.end() : position + length - 1]
        yield match[2].decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        position += length


def _fault_of_name(name: str) -> str | None:
    if name.startswith("/") or ".." in re.split(r"[/\\]", name):
        return "a name that leads out of the tar"
    if not name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        return "a name that is not UTF-8"
    return None


@dataclass
class TarIndex:
    """The members of a tar by name.

    Attributes:
        tar: its location.
        members: the first of each name.
        repeated: names that occur again.
        stems: audio members by their names without the ending; None where there are two.
        fault: why the tar could not be read to its end.
    """

    tar: str
    members: dict[str, TarMember] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    stems: dict[str, str | None] = field(default_factory=dict)
    fault: TruncatedTarError | None = None

    @classmethod
    def read(cls, tar: str, file: BinaryIO) -> TarIndex:
        """Read the headers of a tar; what stands before a damage is there.

        Raises:
            LocationError: it is no tar.
        """
        index = cls(tar)
        try:
            for member in read_members(tar, file):
                index._add(member)
        except TruncatedTarError as error:
            index.fault = error
        return index

    def _add(self, member: TarMember) -> None:
        if member.name in self.members:
            self.repeated.add(member.name)
            return
        self.members[member.name] = member
        stem, _, ending = member.name.rpartition(".")
        if stem and ending.lower() in AUDIO_ENDINGS:
            self.stems[stem] = None if stem in self.stems else member.name

    def find(self, name: str) -> TarMember:
        """Return a member by its name, or by its name without an audio file's ending.

        Raises:
            LocationError: there is none, there are two, or it may not be opened.
        """
        name = name if name in self.members else self.stems.get(name) or name
        member, where = self.members.get(name), f"{self.tar}#{name}"
        if member is None:
            if self.fault is not None:
                raise self.fault
            raise LocationError(
                where, "expected a member of the tar, found none", "check its name", reason=MISSING
            )
        if name in self.repeated:
            what = "expected one member of this name, found two"
            raise LocationError(where, what, "rename one", reason=UNREADABLE)
        if member.fault is not None:
            what = f"expected a regular file in the tar, found {member.fault}"
            raise LocationError(where, what, "pack it again", reason=UNREADABLE)
        return member

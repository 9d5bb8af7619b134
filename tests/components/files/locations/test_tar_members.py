"""The reader of tars against Python's own, and what it says of damaged and hostile ones."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.files.locations.location import LocationError
from components.files.locations.tar_members import TarIndex, TarMember, TruncatedTarError, read_members

NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=120
)
MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=6)


def pack(members: Sequence[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def read(content: bytes) -> list[TarMember]:
    return list(read_members("t.tar", io.BytesIO(content)))


@given(MEMBERS, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
@settings(max_examples=60)
@example([("ä" * 200, b"x"), ("a b", b"")], tarfile.GNU_FORMAT)
def test_it_reads_what_python_writes(members: list[tuple[str, bytes]], form: int) -> None:
    content = pack(members, form)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        expected = [(info.name, info.offset_data, info.size) for info in tar.getmembers()]
    found = read(content)
    assert [(member.offset, member.size) for member in found] == [entry[1:] for entry in expected]
    for member, (name, _, _), (_, stored) in zip(found, expected, members, strict=True):
        assert member.fault is not None or member.name == re.sub(r"^(\./)+", "", name)
        assert content[member.offset : member.offset + member.size] == stored


@given(MEMBERS.filter(bool), st.data())
@settings(max_examples=60)
def test_a_tar_cut_anywhere_is_noticed(members: list[tuple[str, bytes]], data: st.DataObject) -> None:
    content = pack(members)
    whole = read(content)
    end = len(content.rstrip(b"\0"))
    last = max(member.offset + -(-member.size // 512) * 512 for member in whole)
    cut = data.draw(st.integers(1, min(end, last) - 1))
    before: list[TarMember] = []
    with pytest.raises(LocationError):
        for member in read_members("t.tar", io.BytesIO(content[:cut])):
            before.append(member)
    assert before == whole[: len(before)]


@given(st.binary(max_size=3000))
@settings(max_examples=50)
def test_arbitrary_bytes_raise_nothing_else(content: bytes) -> None:
    try:
        read(content)
    except LocationError as error:
        assert "\n" not in str(error)


@given(st.data())
@settings(max_examples=60)
def test_a_wrong_byte_raises_nothing_else(data: st.DataObject) -> None:
    content = bytearray(pack([("a.wav", b"12345"), ("x" * 150, b"y" * 600)]))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        for member in read(bytes(content)):
            assert 0 <= member.offset <= member.offset + member.size <= len(content)
    except LocationError:
        pass


def test_a_size_of_thousands_of_digits_is_a_damage() -> None:
    record = b"5010 size=" + b"9" * 4999 + b"\n"
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    padded = record + bytes(-len(record) % 512)
    with pytest.raises(LocationError, match="of no size"):
        read(header.tobuf(tarfile.USTAR_FORMAT) + padded + pack([("a.wav", b"x")]))


def special(kind: bytes, name: str = "a.wav", link: str = "/etc/passwd") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info.tobuf(tarfile.PAX_FORMAT) + pack([("b.wav", b"fine")])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (special(tarfile.SYMTYPE), "a symbolic link"),
        (special(tarfile.LNKTYPE), "a hard link"),
        (special(tarfile.FIFOTYPE), "a device or pipe"),
        (special(tarfile.CHRTYPE), "a device or pipe"),
        (special(tarfile.REGTYPE, "../a.wav"), "leads out of the tar"),
        (special(tarfile.REGTYPE, "/a.wav"), "leads out of the tar"),
        (special(tarfile.REGTYPE, "x\\..\\a.wav"), "leads out of the tar"),
    ],
)
def test_what_is_no_regular_file_of_the_tar_is_not_opened(content: bytes, what: str) -> None:
    first, second = read(content)
    assert what in str(first.fault)
    index = TarIndex.read("t.tar", io.BytesIO(content))
    with pytest.raises(LocationError, match=what):
        index.find(first.name)
    assert index.find("b.wav") == second


def test_members_are_found_by_name_with_or_without_their_ending() -> None:
    content = pack(
        [("x/a.flac", b"1"), ("x/a.json", b"2"), ("b.wav", b"3"), ("b.mp3", b"4"), ("c.wav", b"5")]
    )
    index = TarIndex.read("t.tar", io.BytesIO(content + pack([])))
    assert index.find("x/a").name == "x/a.flac"
    with pytest.raises(LocationError, match="found none"):
        index.find("b")
    twice = TarIndex.read("t.tar", io.BytesIO(pack([("c.wav", b"5"), ("c.wav", b"6")])))
    with pytest.raises(LocationError, match="one member of this name, found two"):
        twice.find("c.wav")


def test_what_stands_before_a_damage_can_be_opened() -> None:
    content = pack([("a.wav", bytes(600)), ("b.wav", bytes(600))])[:2000]
    index = TarIndex.read("t.tar", io.BytesIO(content))
    assert index.find("a.wav").size == 600
    with pytest.raises(
        TruncatedTarError, match=r"^t.tar: expected further members, found .*; copy it again$"
    ):
        index.find("b.wav")


def test_a_huge_name_or_size_takes_no_memory() -> None:
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2**33
    huge = tarfile.TarInfo("a.wav")
    huge.size = 2**40
    for header in (long, huge):
        with pytest.raises(TruncatedTarError):
            read(header.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(LocationError, match="not compressed, found a compressed file"):
        read(b"\x1f\x8b" + bytes(1000))

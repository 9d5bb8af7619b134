"""An audio file's headers, checked against its content before all of it is decoded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, cast

from pydantic import Field

from components.audio.container import (
    LIMITS,
    SLACK_SECONDS,
    Limits,
    audio_error,
    check_bounds,
    check_length,
    look_up_sha256,
    missing_samples_allowed,
    open_container,
    truncation_error,
)
from components.audio.decoding import decode_stretch
from components.audio.memory import AUDIO_MEMORY, AudioFacts
from components.audio.truncation import check_not_truncated
from components.errors import DataError
from components.files.locations.location import FilePath, absolute_location, is_remote, parse_location
from components.files.locations.opening import FileFacts, facts_of_all, fetch_all, identity_of, open_location
from components.records import Audio, Record

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

WITHOUT_LENGTH = ("mp3", "aac")
"""Containers whose length is no field of the file: their packets are counted."""
MATROSKA = "matroska,webm"
"""FFmpeg's name of the container that has one length for sound and picture together."""


class Probe(Record):
    """The headers of an audio file, checked against its last second."""

    path: str
    container: str
    codec: str
    sample_rate: int = Field(gt=0, description="Hz")
    channels: int = Field(gt=0)
    seconds: float = Field(gt=0)


def probe(path: FilePath, limits: Limits = LIMITS) -> Probe:
    """Read the headers of ``path`` and make sure that its end is there; decodes one second at most.

    Raises:
        DataError: It is not a whole, local audio file within ``limits``.
    """
    with open_container(path, limits) as (container, stream):
        check_not_truncated(path, container.format.name)
        read_length = _count_packets if container.format.name in WITHOUT_LENGTH else _read_declared_length
        seconds = read_length(path, container, stream)
        if round(seconds * stream.rate) < 1:
            raise audio_error(path, "expected audio, found no samples", "record it again or drop the record")
        tracks = [track.metadata.get("language", "unnamed") for track in container.streams.audio]
        if len(tracks) > 1:
            message = "%s: expected one audio track, found %s; reads the first; another: ffmpeg -map 0:a:1"
            logging.getLogger("antiphon.audio").warning(message, path, ", ".join(tracks))
        return Probe(
            path=absolute_location(path),
            container=container.format.name.split(",")[0],
            codec=stream.codec_context.name,
            sample_rate=stream.rate,
            channels=stream.channels,
            seconds=seconds,
        )


class Stretch(NamedTuple):
    """A stretch of an audio file: where it begins, and its length (None: to the end), in seconds."""

    location: FilePath
    offset: float = 0.0
    duration: float | None = None


def describe(
    path: FilePath,
    offset: float = 0.0,
    duration: float | None = None,
    limits: Limits = LIMITS,
) -> Audio:
    """Return the record of a stretch of an audio file.

    Args:
        path: location of the file.
        offset: seconds at which the stretch begins.
        duration: its seconds; None: to the end. It may pass the end by up to 0.25 s (rounding in manifests)
            and is then cut to it.
        limits: beyond which audio is refused.

    Raises:
        DataError: The file cannot be used, or the stretch is not inside it.
    """
    [outcome] = describe_all([Stretch(path, offset, duration)], limits)
    if isinstance(outcome, DataError):
        raise outcome
    return outcome


def describe_all(stretches: Sequence[Stretch], limits: Limits = LIMITS) -> list[Audio | DataError]:
    """Return :func:`describe` of many stretches, in order, with its error where there is one.

    A file that is remembered and has not changed is not opened; servers are asked several at once.
    """
    locations = [absolute_location(stretch.location) for stretch in stretches]
    versions = facts_of_all(dict.fromkeys(locations))
    known: dict[str, AudioFacts | DataError] = {**AUDIO_MEMORY.recall(versions)}
    known |= {
        name: error for name, error in versions.items() if isinstance(error, DataError) and is_remote(name)
    }
    known |= fetch_all(dict.fromkeys(name for name in locations if name not in known))
    fresh: dict[str, tuple[FileFacts, AudioFacts]] = {}
    outcomes: list[Audio | DataError] = []
    for stretch, location in zip(stretches, locations, strict=True):
        version, facts = versions[location], known.get(location)
        if facts is None:
            facts = known[location] = _read_headers(stretch.location, limits)
        seconds = _measure(stretch, facts, _size_of(location, version), limits)
        if isinstance(facts, AudioFacts) and isinstance(seconds, float) and not facts.sha256:
            facts = known[location] = _digest(stretch.location, facts)
            if isinstance(facts, AudioFacts) and isinstance(version, FileFacts):
                fresh[location] = (version, facts)
        if isinstance(facts, DataError) or isinstance(seconds, DataError):
            outcomes.append(facts if isinstance(facts, DataError) else cast("DataError", seconds))
            continue
        outcomes.append(_record(stretch, facts, seconds))
    AUDIO_MEMORY.remember((location, *found) for location, found in fresh.items())
    return outcomes


def recall_all(stretches: Sequence[Stretch]) -> list[Audio | DataError | None]:
    """Return :func:`describe` of stretches as far as their files are remembered, without opening any.

    Of a file that was not looked at yet, or has changed, it is None. No server is asked.
    """
    known = AUDIO_MEMORY.recall_last([str(stretch.location) for stretch in stretches])
    outcomes: list[Audio | DataError | None] = []
    for stretch in stretches:
        if (facts := known.get(str(stretch.location))) is None:
            outcomes.append(None)
            continue
        seconds = _measure(stretch, facts, 0, LIMITS)
        outcomes.append(seconds if isinstance(seconds, DataError) else _record(stretch, facts, seconds))
    return outcomes


def _record(stretch: Stretch, facts: AudioFacts, seconds: float) -> Audio:
    return Audio(
        path=absolute_location(stretch.location),
        sha256=facts.sha256,
        seconds=seconds,
        sample_rate=facts.sample_rate,
        offset=stretch.offset,
    )


def _read_headers(location: FilePath, limits: Limits) -> AudioFacts | DataError:
    """Open and check a file; it is digested only once a stretch of it turns out to be usable."""
    try:
        headers = _probe_once(*identity_of(location), limits)
    except DataError as error:
        return error
    return AudioFacts(
        "", headers.container, headers.codec, headers.sample_rate, headers.channels, headers.seconds
    )


def _digest(location: FilePath, facts: AudioFacts) -> AudioFacts | DataError:
    try:
        return facts._replace(sha256=look_up_sha256(*identity_of(location)))
    except DataError as error:
        return error


def _size_of(location: str, version: FileFacts | DataError) -> int:
    """Return the bytes of a file as far as they are known unopened; of a member of an archive 0."""
    if isinstance(version, DataError) or parse_location(location).member is not None:
        return 0
    return version.size or 0


def _measure(stretch: Stretch, facts: AudioFacts | DataError, size: int, limits: Limits) -> float | DataError:
    """Return the seconds of a stretch of a file of which the facts are known, if it may be used."""
    if isinstance(facts, DataError):
        return facts
    path, offset = stretch.location, stretch.offset
    try:
        check_bounds(path, size, facts.sample_rate, facts.channels, limits)
        rest = facts.seconds - offset
        if offset < 0 or round(rest * facts.sample_rate) < 1:
            raise audio_error(
                path, f"expected an offset inside the file's {facts.seconds:.2f} s, found {offset:g}"
            )
        seconds = rest if stretch.duration is None else stretch.duration
        if seconds <= 0 or seconds > rest + SLACK_SECONDS:
            raise audio_error(
                path, f"expected a duration of at most {rest:.2f} s from {offset:g} s, found {seconds:g}"
            )
        check_length(path, seconds, facts.sample_rate, facts.channels, limits)
    except DataError as error:
        return error
    return float(min(seconds, rest))


def _read_declared_length(path: FilePath, container: InputContainer, stream: AudioStream) -> float:
    """Return the length in seconds that the file declares, after a look whether its last second is there."""
    if stream.duration is None or stream.time_base is None:
        return _count_packets(path, container, stream)
    seconds = float(stream.duration * stream.time_base)
    total = round(seconds * stream.rate)
    tail = max(0, total - stream.rate)
    from av import FFmpegError  # noqa: PLC0415 - as in components.audio.container

    try:
        n_present = tail + sum(len(block) for block in decode_stretch(container, stream, tail, total - tail))
    except FFmpegError as error:
        raise truncation_error(path, seconds, None) from error
    if total - n_present > missing_samples_allowed(stream):
        raise truncation_error(path, seconds, None)
    return n_present / stream.rate


def _count_packets(path: FilePath, container: InputContainer, stream: AudioStream) -> float:
    """Return the length in seconds of the packets that are there; decodes nothing."""
    if container.format.name == MATROSKA:
        return _count_matroska_packets(path, container, stream)
    declared = None
    if stream.duration is not None and stream.time_base is not None and _has_frame_count(path):
        declared = float(stream.duration * stream.time_base)
    ticks = sum(packet.duration or 0 for packet in container.demux(stream))
    seconds = float(ticks * (stream.time_base or 0))
    if declared is not None and seconds < declared - SLACK_SECONDS:
        raise truncation_error(path, declared, seconds)
    return seconds if declared is None else min(seconds, declared)


def _count_matroska_packets(path: FilePath, container: InputContainer, stream: AudioStream) -> float:
    """The length of the sound; the whole is compared with the declared length, if the writer knew it."""
    from av import time_base  # noqa: PLC0415 - as in components.audio.container

    ticks, end = 0, 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            ticks += (packet.duration or 0) if packet.stream_index == stream.index else 0
    declared = (container.duration or 0) / time_base
    if end < declared - 2 * SLACK_SECONDS:  # a picture may be shown to the end without a packet
        raise truncation_error(path, declared, end)
    return float(ticks * (stream.time_base or 0))


def _has_frame_count(path: FilePath) -> bool:
    """Return whether an MP3 begins with a Xing, Info or VBRI frame, which says how many frames follow."""
    with open_location(path) as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            file.seek(10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)))
            head = b""
        head += file.read(512)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


@lru_cache(maxsize=4_096)
def _probe_once(path: str, _inode: int, _size: int, _mtime_ns: int, _ctime_ns: int, limits: Limits) -> Probe:
    return probe(path, limits)

"""RTTM: who speaks when, a line for each turn, as diarizers and their scorers exchange it (NIST 2009)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from components.errors import ConfigError
from components.speakers.speaker_turns import SpeakerTurn
from components.text.table_cells import nfc
from components.text.text_encoding import decode_text

_MIN_FIELDS = 8
"""Of a line: type, file, channel, start, duration, two of nothing, speaker; two more may follow."""


def read_rttm(path: Path) -> dict[str, list[SpeakerTurn]]:
    """Return the turns of each recording that a file names, in NFC.

    Raises:
        ConfigError: it cannot be read, or a line is no turn; which.
    """
    try:
        text, _ = decode_text(path.read_bytes(), str(path), "und")
    except OSError as error:
        raise ConfigError(f"{path}: expected a file of RTTM, found {error.strerror}") from None
    turns: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue  # comments, and the other types of the format
        try:
            start, seconds, speaker = float(fields[3]), float(fields[4]), fields[_MIN_FIELDS - 1]
            if not (0 <= start < float("inf") and 0 <= seconds < float("inf")):
                raise ValueError
        except (ValueError, IndexError):
            raise ConfigError(
                f"{path}:{number}: expected SPEAKER FILE 1 START SECONDS <NA> <NA> NAME <NA> <NA>, found "
                f"{line.strip()!r:.80}"
            ) from None
        turns.setdefault(nfc(fields[1]), []).append(SpeakerTurn(start, start + seconds, speaker))
    if not turns:
        raise ConfigError(f"{path}: expected lines SPEAKER FILE 1 START SECONDS ..., found none")
    return turns


def write_rttm(name: str, turns: Iterable[SpeakerTurn]) -> str:
    """Return the lines of one recording."""
    return "".join(
        f"SPEAKER {to_field(name)} 1 {start:.3f} {end - start:.3f} <NA> <NA> {to_field(speaker)} <NA> <NA>\n"
        for start, end, speaker in turns
        if end > start
    )


def to_field(text: str) -> str:
    """Return a name as a field of a line: in NFC, white space is an underscore."""
    return re.sub(r"\s+", "_", nfc(text).strip()) or "_"

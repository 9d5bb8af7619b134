"""The folder of a campaign: what annotators get, and the key that they must not see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from components.audio import SAMPLE_RATE
from components.campaign.answer_table import write_table
from components.campaign.blinding import CampaignKey, ShownItem, assign
from components.campaign.pearmut import to_campaign
from components.campaign.settings import CampaignSettings
from components.errors import ConfigError, StoreError, to_one_line
from components.files.files import open_atomically, read_json, write_bytes, write_json

KEY, PEARMUT, ASSETS = "key.json", "pearmut.json", "assets"


class CampaignFiles(NamedTuple):
    """What was written, relative to the folder: the campaign, a table per annotator, recordings, the key."""

    pearmut: str
    tables: list[str]
    recordings: int
    key: str


def refuse_existing(folder: Path) -> None:
    """Refuse a folder with a campaign: without its key nobody could read the answers.

    Raises:
        ConfigError: there is one.
    """
    if (folder / KEY).exists():
        raise ConfigError(
            f"{folder}: expected no campaign there, found one; name another folder: --out FOLDER"
        )


def write_campaign(
    folder: Path, items: Sequence[ShownItem], key: CampaignKey, settings: CampaignSettings
) -> CampaignFiles:
    """Write a campaign; the key comes last, so that a folder with a key is whole.

    Raises:
        ConfigError: there is one already.
        DataError: a recording cannot be read.
    """
    refuse_existing(folder)
    of_annotators = assign(items, settings)
    recordings = _write_recordings(folder, items, key.campaign)
    write_json(folder / PEARMUT, to_campaign(key.campaign, of_annotators, recordings, settings))
    tables = [f"table-{number}.tsv" for number in range(1, len(of_annotators) + 1)]
    for name, own in zip(tables, of_annotators, strict=True):
        write_bytes(folder / name, write_table(own, recordings, references=settings.references))
    write_json(folder / KEY, key.model_dump(mode="json"))
    return CampaignFiles(PEARMUT, tables, len(recordings), KEY)


def _write_recordings(folder: Path, items: Sequence[ShownItem], campaign: str) -> dict[str, str]:
    """Write what is heard as FLAC: utterance id -> path in the folder, where pearmut serves it as well."""
    spoken = {item.utterance.id: item.utterance.audio for item in items if item.utterance.audio is not None}
    if not spoken:
        return {}
    import soundfile  # noqa: PLC0415 - only where there is speech

    from components import audio  # noqa: PLC0415 - decodes audio

    (folder / ASSETS / campaign).mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (key, recording) in enumerate(sorted(spoken.items()), 1):
        paths[key] = f"{ASSETS}/{campaign}/{number:03d}.flac"
        with open_atomically(folder / paths[key]) as file:
            soundfile.write(file, audio.decode(recording), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return paths


def read_key(folder: Path) -> CampaignKey:
    """Return the key of a campaign.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    path = folder / KEY
    if not path.exists():
        raise ConfigError(f"{folder}: expected the folder of a campaign, found no {KEY} in it")
    try:
        return CampaignKey.model_validate(read_json(path))
    except (ValidationError, StoreError) as error:
        raise ConfigError(f"{path}: expected the key of a campaign, found: {to_one_line(error)}") from error

"""Whisper's encoder states on disk (safetensors), so that the frozen encoder runs once per recording.

``states-00000.safetensors`` holds the states (T, width, float16) of the first ``SHARD_SIZE`` utterances by
id, and so on. A file is complete or missing, so writing that was interrupted goes on at the next file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from components.errors import DataError
from components.files.files import rename_durably, sync_file
from components.records import Quarantined, Utterance
from components.stacking.speech_encoder import SpeechEncoder

SHARD_SIZE = 64
"""Utterances per file."""
STAGE = "encodings"


def write_states(
    encoder: SpeechEncoder,
    utterances: Sequence[Utterance],
    folder: Path,
    on_progress: Callable[[int], None] = lambda n_utterances: None,
) -> list[Quarantined]:
    """Encode the utterances whose states are not in the folder yet.

    Args:
        encoder: makes the states.
        utterances: all of them, in the same order at every call.
        folder: gets the files.
        on_progress: called with the number of finished utterances.

    Returns:
        A quarantine record for every utterance that cannot be encoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    quarantined: list[Quarantined] = []
    for number, start in enumerate(range(0, len(utterances), SHARD_SIZE)):
        path = folder / f"states-{number:05d}.safetensors"
        batch = utterances[start : start + SHARD_SIZE]
        if path.exists():
            with safe_open(path, framework="pt") as tensors:
                present = set(tensors.keys())
            missing = [utterance for utterance in batch if utterance.id not in present]
        else:
            missing = _write_shard(encoder, batch, path)
        for utterance in missing:
            detail = _explain_missing(encoder, utterance)
            quarantined.append(
                Quarantined(utterance_id=utterance.id, stage=STAGE, reason="not encoded", detail=detail)
            )
        on_progress(start + len(batch))
    return quarantined


def _write_shard(encoder: SpeechEncoder, batch: Sequence[Utterance], path: Path) -> list[Utterance]:
    states, missing = {}, []
    for utterance in batch:
        try:
            states[utterance.id] = encoder.encode(utterance).contiguous()
        except DataError:
            missing.append(utterance)
    partial = path.with_suffix(".partial")
    save_file(states, partial)
    sync_file(partial)
    rename_durably(partial, path)
    return missing


def _explain_missing(encoder: SpeechEncoder, utterance: Utterance) -> str:
    try:
        encoder.encode(utterance)
    except DataError as error:
        return str(error)
    return "expected its states in the folder, found none: remove the folder and encode again"


class EncoderStates(Mapping[str, Tensor]):
    """The states (T, width) in one or more folders, by utterance id; each is read from disk on access."""

    def __init__(self, *folders: Path) -> None:
        self._paths: dict[str, Path] = {}
        for path in (path for folder in folders for path in sorted(folder.glob("states-*.safetensors"))):
            with safe_open(path, framework="pt") as tensors:
                self._paths |= dict.fromkeys(tensors.keys(), path)

    def __getitem__(self, utterance_id: str) -> Tensor:
        with safe_open(self._paths[utterance_id], framework="pt") as tensors:
            states: Tensor = tensors.get_tensor(utterance_id)
        return states

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

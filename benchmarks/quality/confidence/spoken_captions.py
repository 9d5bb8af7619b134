"""Captions of Multi30k as speech: two voices in turn, clean and with noise, as manifests of a work folder.

``python -m benchmarks.quality.confidence.spoken_captions FOLDER`` writes ``val.jsonl`` and
``test_2016_flickr.jsonl``: the first 500 captions of val (to fit and to choose on) and all of the test set,
each once without noise and once each with pink noise at 10 and 5 dB. Sound that is there is used again.
Captions of train, from which a corrector learns, are spoken by other voices.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.speech.captions import add_noise
from components import data
from components.files.files import write_bytes
from components.records import Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build

VOICES = SynthesisConfig(engine="flite", voices=("slt", "rms"))
"""A woman's and a man's voice of Festival Lite; no model here was trained with them."""
TRAIN_VOICES = SynthesisConfig(engine="flite", voices=("awb", "kal16"))
"""Two other men of Festival Lite, for what is learned on train."""
CLEAN: tuple[float | None, ...] = (None,)
NOISES: tuple[float | None, ...] = (None, 10.0, 5.0)
"""Ratios of speech to noise in decibels; None = no noise."""
SPLITS = {"val": 500, "test_2016_flickr": 1000, "train": 800}
"""Captions of each split."""


def write_manifest(folder: Path, split: str, noises: Sequence[float | None] = NOISES) -> Path:
    """Write the captions of a split as speech; returns the manifest."""
    voices = TRAIN_VOICES if split == "train" else VOICES
    texts = data.load(f"multi30k:{split}", limit=SPLITS[split]).utterances
    captions = [u.model_copy(update={"id": f"{split}-{number:04d}"}) for number, u in enumerate(texts)]
    rows = []
    for utterance in build(voices).synthesize(captions, folder / "sound"):
        if not isinstance(utterance, Utterance) or utterance.audio is None:
            raise ValueError(f"expected speech, found {utterance}")
        for snr_db in noises:
            spoken = utterance if snr_db is None else add_noise(utterance, snr_db, "pink", seed=21)
            rows.append(_row(spoken, folder, snr_db))
    manifest = folder / f"{split}{'' if noises == NOISES else '-clean'}.jsonl"
    write_bytes(manifest, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return manifest


def _row(utterance: Utterance, folder: Path, snr_db: float | None) -> dict[str, object]:
    domain = "clean" if snr_db is None else f"{snr_db:g} dB"
    return {
        "id": f"{utterance.id}-{domain.replace(' ', '')}",
        "audio": str(Path(utterance.audio.path).relative_to(folder)),
        "source_language": "en",
        "target_language": "de",
        "transcript": utterance.transcript,
        "references": list(utterance.references),
        "domain": domain,
    }


def main() -> None:
    """Write both manifests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for split in ("val", "test_2016_flickr"):
        print(write_manifest(folder, split), flush=True)


if __name__ == "__main__":
    main()

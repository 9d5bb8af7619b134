"""Captions of Multi30k as speech: two voices in turn, clean and with noise, as manifests of a work folder.

``python -m benchmarks.quality.confidence.spoken_captions FOLDER`` writes ``val.jsonl`` and
``test_2016_flickr.jsonl``: the first 500 captions of val (to fit and to choose on) and all of the test set,
each once without noise and once each with pink noise at 10 and 5 dB. Sound that is there is used again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import soundfile

from components import audio, data
from components.files import rename_durably, write_bytes
from components.perturbation.config import PerturbationConfig
from components.perturbation.speech import perturb_speech
from components.records import Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build

VOICES = SynthesisConfig(engine="flite", voices=("slt", "rms"))
"""A woman's and a man's voice of Festival Lite; no model here was trained with them."""
NOISES: tuple[float | None, ...] = (None, 10.0, 5.0)
"""Ratios of speech to noise in decibels; None = no noise."""
SPLITS = {"val": 500, "test_2016_flickr": 1000}
"""Captions of each split."""


def write_manifest(folder: Path, split: str, noises: Sequence[float | None] = NOISES) -> Path:
    """Write the captions of a split as speech; returns the manifest."""
    texts = data.load(f"multi30k:{split}", limit=SPLITS[split]).utterances
    captions = [u.model_copy(update={"id": f"{split}-{number:04d}"}) for number, u in enumerate(texts)]
    rows = []
    for utterance in build(VOICES).synthesize(captions, folder / "sound"):
        if not isinstance(utterance, Utterance) or utterance.audio is None:
            raise ValueError(f"expected speech, found {utterance}")
        for snr_db in noises:
            path = Path(utterance.audio.path) if snr_db is None else _add_noise(utterance, snr_db)
            rows.append(_row(utterance, path.relative_to(folder), snr_db))
    manifest = folder / f"{split}.jsonl"
    write_bytes(manifest, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return manifest


def _row(utterance: Utterance, path: Path, snr_db: float | None) -> dict[str, object]:
    domain = "clean" if snr_db is None else f"{snr_db:g} dB"
    return {
        "id": f"{utterance.id}-{domain.replace(' ', '')}",
        "audio": str(path),
        "source_language": "en",
        "target_language": "de",
        "transcript": utterance.transcript,
        "references": list(utterance.references),
        "domain": domain,
    }


def _add_noise(utterance: Utterance, snr_db: float) -> Path:
    """The recording with pink noise, in a file beside it."""
    assert utterance.audio is not None
    clean = Path(utterance.audio.path)
    noisy = clean.with_name(f"{clean.stem}-{snr_db:g}dB.flac")
    if not noisy.exists():
        settings = PerturbationConfig(snr_db=snr_db, noise="pink")
        samples = perturb_speech(audio.decode(utterance.audio), settings, utterance.id, seed=21)
        partial = noisy.with_suffix(".partial")
        soundfile.write(partial, samples.clip(-1, 1), audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        rename_durably(partial, noisy)
    return noisy


def main() -> None:
    """Write both manifests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for split in SPLITS:
        print(write_manifest(folder, split), flush=True)


if __name__ == "__main__":
    main()

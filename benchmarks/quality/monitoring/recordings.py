"""Captions as speech, with and without a change, and the graph that hears them: a run of each in a store.

The usual recordings are captions of Multi30k by one voice of flite; each change is put in by ``perturb``, by
another voice, by sentences of Tatoeba, or by another model in the graph.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from safetensors.numpy import load_file, save_file

from antiphon import Run, list_runs, load_run, run_pipeline
from benchmarks.common.paths import data_set
from components import audio, data, models
from components.files.files import write_bytes
from components.perturbation.config import PerturbationConfig
from components.perturbation.speech import perturb_speech
from components.records import Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build

USUAL, CHANGED = 750, range(500, 600)
"""Captions of the test set that are heard as usual, and those that are heard after each change."""
TRANSLATOR = "packaged:multi30k-en-de"
PRUNED = 0.45
"""Share of each matrix of the exchanged translator that is zero."""


def graph(recognizer: str = "packaged:whisper-tiny.en", translator: str = TRANSLATOR) -> dict[str, Any]:
    """A routed cascade with estimates."""
    greedy = {"beam_size": 1, "n_best": 1, "entropies": True}
    return {
        "fast": {"kind": "recognize", "model": recognizer, **greedy},
        "doubt": {"kind": "route", "of": "fast", "by": "mean_log_prob", "below": -0.37},
        "good": {"kind": "recognize", "model": "packaged:whisper-base", "when": "doubt.escalate", **greedy},
        "asr": {"kind": "select", "of": ["good", "fast"]},
        "mt": {"kind": "translate", "of": "asr", "model": translator, **greedy},
    }


def captions(start: int, stop: int) -> list[Utterance]:
    """Captions of the test set, by their place."""
    texts = data.load("multi30k:test_2016_flickr", limit=stop).utterances
    return [u.model_copy(update={"id": f"caption-{n:04d}"}) for n, u in enumerate(texts)][start:]


def sentences(count: int) -> list[Utterance]:
    """English sentences of Tatoeba with their German translations."""
    folder = data_set("tatoeba")
    english, german = (
        (folder / f"tatoeba.deu-eng.{code}").read_text(encoding="utf-8").splitlines()
        for code in ("eng", "deu")
    )
    return [
        Utterance(id=f"tatoeba-{n:04d}", text=text, references=(other,), source_language="en")
        for n, (text, other) in enumerate(zip(english, german, strict=True))
    ][:count]


def speak(work: Path, texts: Sequence[Utterance], voice: str = "slt") -> list[Utterance]:
    """Texts with their sound."""
    synthesizer = build(SynthesisConfig(engine="flite", voices=(voice,)))
    return [u for u in synthesizer.synthesize(texts, work / "sound") if isinstance(u, Utterance)]


def silence_half(samples: audio.Samples) -> audio.Samples:
    """The samples whose second half is silent."""
    return np.concatenate(
        [samples[: len(samples) // 2], np.zeros(len(samples) - len(samples) // 2, np.float32)]
    )


def change(work: Path, name: str, spoken: Sequence[Utterance], edit: Callable[..., Any]) -> list[Utterance]:
    """Recordings whose samples are edited (samples, id)."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for utterance in spoken:
        assert utterance.audio is not None
        path = folder / f"{utterance.id}.flac"
        if not path.exists():
            samples = edit(audio.decode(utterance.audio), utterance.id)
            soundfile.write(path, samples.clip(-1, 1), audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        changed.append(utterance.model_copy(update={"audio": audio.describe(path)}))
    return changed


def exchange_translator(work: Path) -> str:
    """The packaged translator with the smallest weights of each matrix set to zero; its folder."""
    folder = work / "pruned"
    if not folder.exists():
        source = Path(models.resolve(TRANSLATOR).path)
        folder.mkdir()
        for path in source.iterdir():
            if path.suffix != ".safetensors":
                write_bytes(folder / path.name, path.read_bytes())
        for path in source.glob("*.safetensors"):
            tensors = load_file(path)
            for name, value in tensors.items():
                if value.ndim == 2:
                    tensors[name] = np.where(np.abs(value) < np.quantile(np.abs(value), PRUNED), 0, value)
            save_file(tensors, folder / path.name, {"format": "pt"})
    return str(folder)


def write_manifest(work: Path, name: str, spoken: Sequence[Utterance]) -> Path:
    """A manifest of recordings."""
    rows = [
        {
            "id": u.id,
            "audio": str(u.audio.path) if u.audio else None,
            "source_language": "en",
            "target_language": "de",
            "transcript": u.transcript or u.text,
            "references": list(u.references),
        }
        for u in spoken
    ]
    path = work / f"{name}.jsonl"
    write_bytes(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path


def make_sets(work: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Name -> its manifest and the graph that hears it; the first is what is usual."""
    usual, later = speak(work, captions(0, USUAL)), captions(CHANGED.start, CHANGED.stop)
    new = usual[CHANGED.start : CHANGED.stop]
    noise = PerturbationConfig(snr_db=10)
    sets = {
        "usual": (usual, graph()),
        "10 dB": (change(work, "noise", new, lambda s, key: perturb_speech(s, noise, key, 7)), graph()),
        "another voice": (speak(work, later, "rms"), graph()),
        "another domain": (speak(work, sentences(len(CHANGED))), graph()),
        "half silent": (change(work, "silent", new, lambda s, _: silence_half(s)), graph()),
        "recognizer exchanged": (new, graph(recognizer="packaged:whisper-base")),
        "translator exchanged": (new, graph(translator=exchange_translator(work))),
    }
    return {
        name: (write_manifest(work, name.replace(" ", "-"), spoken), nodes)
        for name, (spoken, nodes) in sets.items()
    }


def run_sets(work: Path) -> dict[str, Run]:
    """Name of a set -> its run; one that is finished stays."""
    store, runs = str(work / "store"), {}
    finished = {run.name for run in list_runs(store=store) if run.record is not None}
    for name, (manifest, nodes) in make_sets(work).items():
        run = name.replace(" ", "-")
        runs[name] = load_run(run, store=store) if run in finished else _run(nodes, manifest, store, run)
    return runs


def _run(nodes: dict[str, Any], manifest: Path, store: str, name: str) -> Run:
    graph = {"nodes": nodes, "outputs": {"transcript": "asr", "translation": "mt"}}
    languages = {"source_language": "en", "target_language": "de"}
    return run_pipeline(graph, data=str(manifest), store=store, name=name, replace=True, **languages)

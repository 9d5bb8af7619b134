"""Whisper's decoders over one frozen encoder: trained, scored on transcripts, and read out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.claims.token_scores import TokenScores
from benchmarks.claims.workspace import Workspace
from components.claims.systems.workbench import Model, best_texts, digest_of
from components.ensembling.token_level.whisper_ensemble import build_recognizer
from components.files.files import write_atomically
from components.models import resolve
from components.recognition.config import RECOGNITION_VERSION, RecognizerEnsembleConfig
from components.records import NBest, Utterance
from components.training.config import TrainingConfig
from components.training.examples import speech_data
from components.training.examples.encoded_speech import EncodedSpeech
from components.training.examples.speech_data import SpeechExample
from components.training.learners.recognition_learner import RecognitionLearner

BATCH = 10
"""Recordings that are scored together."""


class Recognizers:
    """Fine-tunes the decoder of one Whisper and scores what comes of it; every recording is encoded once.

    Args:
        work: keeps models and scores.
        base: the model whose encoder all others have.
    """

    def __init__(self, work: Workspace, base: str) -> None:
        self.work, self.base = work, base
        self._encoded = EncodedSpeech()
        self._encoder = _encoder_of(base)

    def write(self, name: str, utterances: Sequence[Utterance]) -> str:
        """Write a manifest; its path."""
        rows = [
            (u.id, u.audio.path if u.audio else "", u.source_language or "", u.transcript or "")
            for u in utterances
        ]
        return write_recordings(self.work.folder / "data" / f"{name}.jsonl", rows)

    def train(self, name: str, **settings: Any) -> Path:
        """A fine-tuning of the base's decoder; made once."""
        learner = partial(RecognitionLearner, encoded=self._encoded)
        own = {"kind": "recognition", "init_from": self.base, "freeze_encoder": True}
        return self.work.train(name, learner=learner, **own, **settings)

    def score(self, model: Model, utterances: Sequence[Utterance]) -> TokenScores:
        """The log-probabilities that a model gives to transcripts; kept."""
        key = {
            "transcripts": 1,
            "model": digest_of(model),
            "audio": [(u.id, u.audio.sha256, u.transcript) for u in utterances if u.audio],
        }

        def measure() -> dict[str, list[Any]]:
            rows = [row for part in self._score(model, utterances) for row in part]
            return {
                "nats": [round(x, 5) for row in rows for x in row],
                "sentences": [n for n, row in enumerate(rows) for _ in row],
            }

        scores = self.work.cached(key, measure)
        return TokenScores(np.asarray(scores["nats"], float), np.asarray(scores["sentences"], int))

    @torch.no_grad()
    def _score(self, model: Model, utterances: Sequence[Utterance]) -> Iterator[list[list[float]]]:
        """Nats of every token, recording by recording, batch by batch."""
        if not all(torch.allclose(own, self._encoder[name]) for name, own in _encoder_of(model).items()):
            raise ValueError(f"{model}: expected the encoder of {self.base}, found another one")
        learner, examples = self._load(model, utterances)
        for start in range(0, len(examples), BATCH):
            part = examples[start : start + BATCH]
            scores, labels = learner.scores(learner.collate(part))
            nats = torch.log_softmax(scores, -1).gather(1, labels[:, None])[:, 0]
            yield [row.tolist() for row in torch.split(nats, [len(e.target) for e in part])]

    def _load(
        self, model: Model, utterances: Sequence[Utterance]
    ) -> tuple[RecognitionLearner, list[SpeechExample]]:
        with TemporaryDirectory() as folder:
            data = self.write("scored", utterances)
            values: dict[str, Any] = {
                "kind": "recognition",
                "init_from": str(model),
                "data": data,
                "dev": data,
            }
            values |= {"source_language": utterances[0].source_language or "en", "freeze_encoder": True}
            values |= {"device": "cpu", "dtype": "float32"}
            config = TrainingConfig.model_validate(values)
            learner = RecognitionLearner(config, Path(folder), torch.device("cpu"), encoded=self._encoded)
        learner.model.eval()
        vocabulary = learner.model.config.vocab_size
        return learner, speech_data.encode(utterances, vocabulary, config.max_length, timestamps=False)

    def transcribe(self, models: Sequence[Model], utterances: Sequence[Utterance]) -> dict[str, str]:
        """Transcripts by one model, or by several mixed at every token, greedily; kept."""
        members = tuple(map(str, models))
        config = RecognizerEnsembleConfig(
            model=members[0],
            members=members,
            beam_size=1,
            n_best=1,
            device="cpu",
            temperature_fallback=(0.0,),
        )
        key = {
            "transcribed": RECOGNITION_VERSION,
            "models": [digest_of(model) for model in models],
            "config": config.model_dump(mode="json", exclude={"model", "members"}),
            "audio": [(u.id, u.audio.sha256) for u in utterances if u.audio],
        }

        def decode() -> dict[str, str]:
            outcomes = build_recognizer(config).recognize(utterances)
            lists = {o.utterance_id: o for o in outcomes if isinstance(o, NBest)}
            return best_texts(lists, utterances)

        return dict(self.work.cached(key, decode))


def write_recordings(path: Path, rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Write a manifest of (id, file, language, transcript); its path."""
    names = ("id", "audio", "source_language", "transcript")
    lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines).encode())
    return str(path)


def _encoder_of(model: Model) -> dict[str, torch.Tensor]:
    """The encoder's weights as float32."""
    weights = load_file(Path(resolve(str(model)).path) / "model.safetensors")
    return {name: w.float() for name, w in weights.items() if name.startswith("model.encoder.")}

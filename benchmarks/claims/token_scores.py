"""Reference translations scored by one model in one pass, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.claims.boosting import target_losses
from benchmarks.claims.texts import write_pairs
from benchmarks.claims.workspace import Workspace
from components.claims.systems.forced_scores import FloatArray
from components.claims.systems.workbench import Model, digest_of
from components.models import resolve
from components.records import Utterance
from components.training.config import TrainingConfig
from components.translation.config import TRANSLATION_VERSION


@dataclass(frozen=True)
class TokenScores:
    """What one model gives to reference tokens.

    Attributes:
        nats: (T,), log-probabilities of the tokens.
        sentences: (T,), the number of each token's sentence, from 0 on.
    """

    nats: FloatArray
    sentences: NDArray[np.int64]

    def sentence_sums(self) -> list[float]:
        """Nats (S,) of each sentence."""
        return [round(float(x), 3) for x in np.bincount(self.sentences, self.nats)]

    def sentence_tokens(self) -> list[int]:
        """Tokens (S,) of each sentence."""
        return np.bincount(self.sentences).tolist()

    def mixed_with(self, *others: TokenScores) -> TokenScores:
        """The linear ensemble, with equal shares, of this model and others of its vocabulary."""
        nats = np.stack([self.nats, *(other.nats for other in others)])
        return TokenScores(np.logaddexp.reduce(nats) - np.log(len(nats)), self.sentences)


def score_tokens(work: Workspace, model: Model, utterances: Sequence[Utterance]) -> TokenScores:
    """The log-probabilities that one model gives to the first references; kept."""
    key = {
        "forced": [TRANSLATION_VERSION, 1],
        "model": digest_of(model),
        "texts": [(u.text, u.references[0]) for u in utterances],
    }

    def measure() -> dict[str, list[float]]:
        pairs = [(u.text or "", u.references[0]) for u in utterances]
        with TemporaryDirectory() as folder:
            data = write_pairs(Path(folder), "references", pairs)
            values = {"data": data, "dev": data, "batch_tokens": 2000, "device": "cpu"}
            config = TrainingConfig.model_validate(values)
            losses = target_losses(Path(resolve(str(model)).path), config, Path(folder))
        nats = [[-round(float(x), 5) for x in own] for own in losses]
        return {
            "nats": [x for own in nats for x in own],
            "sentences": [n for n, own in enumerate(nats) for _ in own],
        }

    kept = work.cached(key, measure)
    return TokenScores(np.asarray(kept["nats"], float), np.asarray(kept["sentences"], int))

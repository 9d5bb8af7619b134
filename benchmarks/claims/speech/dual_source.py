"""Dual-source models: trained on transcripts and encoder states, asked with whatever sound one likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.claims.workspace import PACKAGED
from components.decoding.config import SearchConfig
from components.decoding.searches.search import search
from components.models import resolve
from components.networks.stacked_model import Sources
from components.records import Utterance
from components.stacking.config import VERSION, SpeechConfig
from components.stacking.lists.cross_scoring import force_texts
from components.stacking.model_folder import LoadedStackedModel, from_text_model, load_stacked
from components.stacking.padding import pad_states, pad_texts
from components.stacking.stacked_scorer import StackedScorer
from components.stacking.training.learner import SpokenPair, StackLearner
from components.training.config import TrainingConfig
from components.training.learners.learner import MakeLearner

SPEECH = SpeechConfig()
WIDTH = 512
"""Of Whisper base's encoder states."""
DUAL_SOURCE_VERSION = ["1", VERSION]
"""Part of the keys of what is computed here."""

Sound = Mapping[str, str]
"""Utterance -> the utterance whose encoder states are heard in its stead; without an entry: silence."""


def learner_of(
    pairs: tuple[Sequence[SpokenPair], Sequence[SpokenPair]],
    states: Mapping[str, Tensor],
    *,
    stack: int = 1,
    freeze: bool = False,
) -> MakeLearner:
    """A dual-source model that starts from the packaged text model.

    Args:
        pairs: for training and for development.
        states: id -> encoder states (T, width); pairs without an entry are read in silence.
        stack: neighboring states that are concatenated to one.
        freeze: train what reads speech alone.
    """

    def make(settings: TrainingConfig, out: Path, device: torch.device) -> StackLearner:
        torch.manual_seed(settings.seed)
        stacked = from_text_model(PACKAGED, "dual", SPEECH, WIDTH, stack, None)
        if freeze:
            stacked.model.text.requires_grad_(False)
        return StackLearner(settings, stacked, pairs, states, device)

    return make


def load_dual_source(folder: Path) -> LoadedStackedModel:
    """A trained model, ready to be asked."""
    return load_stacked(resolve(str(folder)))


def prefer(
    model: LoadedStackedModel,
    utterances: Sequence[Utterance],
    texts: Mapping[str, str],
    states: Mapping[str, Tensor],
    pairs: Mapping[str, tuple[str, str]],
) -> dict[str, float]:
    """Log-probability (nats) of the first translation of each pair less that of the second.

    Args:
        model: a dual-source model.
        utterances: what is translated.
        texts: the transcript that is read, by utterance.
        states: the encoder states that are heard, by utterance; without an entry, silence.
        pairs: two translations of each utterance.
    """
    margins: dict[str, float] = {}
    for batch, sources in _batches(model, utterances, texts, states):
        forced = [
            force_texts([StackedScorer(model, sources)], model.tokenizer, [pairs[u.id][side] for u in batch])
            for side in (0, 1)
        ]
        margins |= {
            u.id: round(first.score - second.score, 4)
            for u, first, second in zip(batch, *forced, strict=True)
        }
    return margins


def translate(
    model: LoadedStackedModel,
    utterances: Sequence[Utterance],
    texts: Mapping[str, str],
    states: Mapping[str, Tensor],
    beam_size: int = 1,
) -> dict[str, str]:
    """Translations by utterance; arguments as in :func:`prefer`."""
    config = SearchConfig(beam_size=beam_size, max_new_tokens=100)
    translations: dict[str, str] = {}
    for batch, sources in _batches(model, utterances, texts, states):
        nbests = search([StackedScorer(model, sources)], config)
        for utterance, candidates in zip(batch, nbests, strict=True):
            tokens = candidates[0].tokens
            translations[utterance.id] = model.tokenizer.decode(tokens, skip_special_tokens=True)
    return translations


def _batches(
    model: LoadedStackedModel,
    utterances: Sequence[Utterance],
    texts: Mapping[str, str],
    states: Mapping[str, Tensor],
) -> Iterator[tuple[Sequence[Utterance], Sources]]:
    """Batches of utterances with what the model reads and hears of them."""
    for start in range(0, len(utterances), 32):
        batch = utterances[start : start + 32]
        ids = [[model.tokenizer(texts[u.id]).input_ids] for u in batch]
        text, mask = pad_texts(ids, model.model.config.pad_token_id)
        silence = torch.zeros(1, WIDTH)
        speech, speech_mask = pad_states([states.get(u.id, silence) for u in batch])
        audible = torch.tensor([u.id in states for u in batch])
        yield batch, Sources(text, mask, speech, speech_mask & audible[:, None])


class SubstituteStates(Mapping[str, Tensor]):
    """Encoder states of a set in which utterances are heard with the sound of others."""

    def __init__(self, states: Mapping[str, Tensor], sound: Sound) -> None:
        self._states, self._sound = states, sound

    def __getitem__(self, utterance_id: str) -> Tensor:
        return self._states[self._sound[utterance_id]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sound)

    def __len__(self) -> int:
        return len(self._sound)

"""The coefficient of late fusion, learned where the references are known: on the development data.

Both members are forced along the references; the weight w of the direct model is the one under which
(1 - w) p_text + w p_direct gives the references' tokens the highest likelihood. That is concave in w, so the
grid's best point is next to the best of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from components.decoding.search import force_decode
from components.ensembling.token_level.combiners import LinearInterpolation
from components.errors import DataError
from components.records import Quarantined, Utterance
from components.stacking.config import StackConfig
from components.stacking.methods import METHODS
from components.stacking.translator import StackedTranslator

GRID_POINTS = 101


def search_weight(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The weight of ``second`` on a grid of hundredths, and its mean log-likelihood (nats per token).

    ``first`` and ``second`` are log-probabilities of the same tokens. Ties go to the smaller weight.
    """
    if not first or len(first) != len(second):
        raise DataError(
            f"expected as many log-probabilities of both members, found {len(first)} and {len(second)}"
        )
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    weights = torch.linspace(0, 1, GRID_POINTS, dtype=torch.float64)[:, None]
    mixed = torch.logaddexp((1 - weights).log() + a, weights.log() + b).mean(1)
    best = int(mixed.argmax())
    return best / (GRID_POINTS - 1), float(mixed[best])


def learn_coefficient(
    config: StackConfig, text_model: str, utterances: Sequence[Utterance], store: str | None = None
) -> tuple[float, float]:
    """The learned weight of the direct model on ``utterances`` (as the ``stack`` stage takes them, with
    references), and the mean log-likelihood under it.
    """
    system = METHODS["late_fusion"](config.model_copy(update={"coefficient": 0.5}), text_model, store)
    translator = StackedTranslator(config, system)
    text_log_probs: list[float] = []
    speech_log_probs: list[float] = []
    with_references = [u for u in utterances if u.references]
    for start in range(0, len(with_references), config.batch_size):
        prepared = [
            translator.prepare(i, u) for i, u in enumerate(with_references[start : start + config.batch_size])
        ]
        batch = [source for source in prepared if not isinstance(source, Quarantined)]
        targets = [tuple(system.tokenizer(text_target=h.utterance.references[0]).input_ids) for h in batch]
        for candidate in (
            force_decode(system.members(batch), targets, combiner=LinearInterpolation((0.5, 0.5)))
            if batch
            else ()
        ):
            text_log_probs += [value for value in candidate.member_log_probs[0] if value is not None]
            speech_log_probs += [value for value in candidate.member_log_probs[1] if value is not None]
    return search_weight(text_log_probs, speech_log_probs)

"""References scored in one pass get what forced decoding gives them, token by token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.claims.token_scores import TokenScores, score_tokens
from benchmarks.claims.workspace import PACKAGED, Workspace
from components.claims.systems.forced_scores import score_references, sum_by_sentence
from components.records import Utterance

PAIRS = (("Two men in black.", "Zwei Männer in Schwarz."), ("A dog runs.", "Ein Hund rennt über eine Wiese."))


def test_one_pass_gives_what_forced_decoding_gives(tmp_path: Path) -> None:
    texts = [
        Utterance(id=str(n), text=a, source_language="en", target_language="de", references=(b,))
        for n, (a, b) in enumerate(PAIRS)
    ]
    scores = score_tokens(Workspace(tmp_path, lambda _: None), PACKAGED, texts)
    forced = score_references([PACKAGED], texts, distributions=False)
    assert scores.sentence_sums() == pytest.approx(
        sum_by_sentence(forced, forced.token_log_probs[0]).tolist(), rel=1e-4
    )
    assert scores.sentence_tokens() == np.bincount(forced.sentences.numpy()).tolist()


def test_a_mixture_of_two_is_the_log_of_their_mean_probability() -> None:
    sentences = np.array([0, 0, 1])
    first, second = (TokenScores(np.log(np.array(p)), sentences) for p in ([0.5, 0.2, 0.9], [0.1, 0.4, 0.9]))
    mixed = first.mixed_with(second)
    assert np.exp(mixed.nats) == pytest.approx([0.3, 0.3, 0.9])
    assert mixed.sentence_tokens() == [2, 1]

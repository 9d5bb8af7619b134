"""The second implementation finds nothing in what is kept, and finds what is broken."""

from __future__ import annotations

import copy

import pytest
import sacrebleu

from benchmarks import verify
from benchmarks.common.manifest import OUTPUTS, read_lines
from benchmarks.verify import (
    Rows,
    bleu_of,
    find_different_weights,
    find_old,
    find_wrong_scores,
)


@pytest.fixture(scope="module")
def kept() -> dict[str, Rows]:
    """All outputs by their page."""
    return {path.name.removesuffix(".jsonl.gz"): read_lines(path) for path in sorted(OUTPUTS.glob("*.gz"))}


def test_kept_texts_have_the_scores_that_are_kept(kept: dict[str, Rows]) -> None:
    assert [finding for name, rows in kept.items() for finding in find_wrong_scores(name, rows, 60)] == []


def test_models_are_one_and_old_times_say_so(kept: dict[str, Rows]) -> None:
    assert [*find_different_weights(kept)] == []
    assert all("commits ago" in finding for finding in find_old(kept))  # every commit makes them older


def test_a_text_that_was_changed_is_found(kept: dict[str, Rows]) -> None:
    rows = copy.deepcopy([row for row in kept["dropout-masks"] if "measurement" not in row][:3])
    system = next(row["outputs"] for row in rows if "outputs" in row)
    system["texts"][0] = "nichts davon steht da und noch mehr"
    assert list(find_wrong_scores("dropout-masks", rows))


@pytest.mark.parametrize("texts", [["a b c d e"], ["a b c x e"], ["a b"], ["x y z"]])
def test_bleu_by_hand_is_that_of_sacrebleu(texts: list[str]) -> None:
    score = sacrebleu.corpus_bleu(texts, [["a b c d e"]])
    assert bleu_of([score.sys_len, score.ref_len, *score.counts, *score.totals]) == pytest.approx(score.score)


def test_comparisons_are_those_of_plain_loops(kept: dict[str, Rows]) -> None:
    """The cheap ones; `python -m benchmarks.verify` has them all."""
    differences = verify.mean_differences(kept)
    assert differences["checkpoints.against_mean"] == pytest.approx(0.256, abs=0.001)
    assert differences["dropout.masks_against_own_model"] == pytest.approx(-0.225, abs=0.001)

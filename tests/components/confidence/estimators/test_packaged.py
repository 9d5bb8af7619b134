"""The estimators that travel with Antiphon: small, of features that exist, with a card that is theirs."""

from __future__ import annotations

import pytest

from benchmarks.tools.fit_packaged_estimators import CARD, FITS, card
from components.confidence.estimators.config import ESTIMATOR_FILE
from components.confidence.estimators.fitted_estimator import read_estimator
from components.confidence.estimators.sources import PACKAGED, packaged_estimators
from components.confidence.features import FEATURES, WORD_FEATURES


def test_there_is_one_for_each_of_these_models() -> None:
    assert packaged_estimators() == sorted(FITS)


@pytest.mark.parametrize("name", FITS)
def test_card_and_file_belong_together(name: str) -> None:
    folder = PACKAGED / name
    estimator = read_estimator(folder)
    assert (folder / CARD).read_text("utf-8") == card(name, estimator)
    assert (folder / ESTIMATOR_FILE).stat().st_size < 40_000
    known = {*FEATURES, *WORD_FEATURES, *(f"text.{feature}" for feature in FEATURES)}
    assert {column.name for target in estimator.targets.values() for column in target.columns} <= known

"""Settings of the training of estimators; imports nothing heavy."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from components.metrics.normalizers import BY_LANGUAGE, NORMALIZER_DESCRIPTION, NormalizerName
from components.stage_settings import Settings

VERSION: Final = 3
"""Version of the training and of what is computed from a fitted estimator; changes with its outputs."""
ESTIMATOR_FILE: Final = "estimator.json"
MIN_ITEMS: Final = 50
"""Utterances with references that a training needs at least."""
MIN_OF_CLASS: Final = 5
"""Different utterances of each class that a training needs at least: one for each of the folds."""
MethodName = Literal["isotonic", "logistic", "gradient_boosting"]
TargetName = Literal["word", "p_correct", "expected_wer", "p_bad", "expected_chrf"]


class EstimatorConfig(Settings):
    """What is estimated, from which features and how."""

    method: MethodName = Field(
        "logistic",
        description="logistic (expected values: linear), gradient_boosting (trees; needs thousands of "
        "examples), isotonic (the one feature that ranks best)",
    )
    targets: tuple[TargetName, ...] = Field(
        (),
        description="what is estimated: word, p_correct, expected_wer of transcripts; p_bad, expected_chrf "
        "of translations; all of these if empty",
    )
    features: tuple[str, ...] = Field(
        (),
        description="only these features (docs/evaluation/confidence.md), for words also text.NAME, that of "
        "their text; all if empty",
    )
    calibration: Literal["auto", "isotonic", "sigmoid", "none"] = Field(
        "auto",
        description="of scores on held-out folds: isotonic, sigmoid (Platt), none; auto: isotonic from "
        "1,000 examples on",
    )
    folds: int = Field(5, ge=2, le=20, description="parts of the data, each held out once")
    bad_chrf: float = Field(
        10.0, gt=0, le=100, description="p_bad: chrF points below the mean (or the reference transcript's)"
    )
    against_gold: bool = Field(
        False,
        description="the last of `of` is what the system gives for the reference transcript: p_bad is the "
        "loss against it, and it gives no features",
    )
    normalizer: NormalizerName = Field(BY_LANGUAGE, description=NORMALIZER_DESCRIPTION)

"""A fitted estimator as a record: JSON that gives the same estimates when it is read back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from components.confidence.estimators.columns import Column, find_missing, to_matrix
from components.confidence.estimators.config import ESTIMATOR_FILE, MethodName, TargetName
from components.confidence.estimators.cross_fitting import predict
from components.confidence.estimators.examples import TextFeatures
from components.confidence.estimators.targets import TARGETS, Output
from components.errors import ConfigError
from components.files.files import write_json
from components.records import NBest, Record

Numbers = dict[str, float]


class FittedTarget(Record):
    """What was learned for one target.

    Attributes:
        columns: the features.
        state: what the method learned.
        calibration: how its scores become estimates.
        quality: out of fold, by name; see :mod:`.quality`.
    """

    columns: tuple[Column, ...]
    state: dict[str, Any]
    calibration: dict[str, Any]
    quality: Numbers = Field(default_factory=dict)


class FittedEstimator(Record):
    """An estimator of transcripts or of translations.

    Attributes:
        format: version of this form.
        of: the texts that it was fitted for.
        method: row of METHODS.
        targets: what it estimates.
        items: utterances that it was fitted on.
        normalizer: under which transcripts were compared.
        bad_below: chrF below which a translation counted as bad; None against gold, and of transcripts.
        libraries: versions that it was fitted with.
        seen: fingerprints of the utterances that it was fitted on, by :mod:`.seen`; empty if unknown.
    """

    format: Literal[1] = 1
    of: Output
    method: MethodName
    targets: dict[TargetName, FittedTarget]
    items: int
    normalizer: str
    bad_below: float | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    seen: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Write the file that :func:`read_estimator` reads."""
        write_json(folder / ESTIMATOR_FILE, self.model_dump(mode="json"))

    def find_missing_features(self, features: Sequence[TextFeatures]) -> list[str]:
        """Return the features that the system behind these texts does not give.

        A text without words has none of those of tokens by its nature, so it tells nothing; neither does a
        list of hypotheses with one text of the margin between two.
        """
        features = [each for each in features if each.text.get("n_words", 1.0)]
        missing: dict[str, None] = {}
        for name, target in self.targets.items():
            missing |= dict.fromkeys(find_missing(_rows(name, features), target.columns))
        if any("posterior" in each.text for each in features):
            missing.pop("margin", None)
        return list(missing)

    def annotate(self, texts: Sequence[NBest], features: Sequence[TextFeatures]) -> list[NBest]:
        """Return the texts with estimates in the features of their best hypotheses, and of their words."""
        own: list[Numbers] = [{} for _ in texts]
        words: list[tuple[float, ...]] = [text.best.word_confidences for text in texts]
        for name, target in self.targets.items():
            estimates = self._estimate(name, target, features)
            if TARGETS[name].per_word:
                following = iter(estimates.tolist())
                words = [tuple(islice(following, len(each.words))) for each in features]
            else:
                for values, estimate in zip(own, estimates.tolist(), strict=True):
                    values[name] = estimate
        return [_annotated(*each) for each in zip(texts, own, words, strict=True)]

    def _estimate(
        self, name: TargetName, target: FittedTarget, features: Sequence[TextFeatures]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        rows = _rows(name, features)
        if not rows:
            return np.zeros(0)
        matrix = to_matrix(rows, target.columns)
        estimates = predict(self.method, target.state, target.calibration, matrix)
        return np.clip(estimates, *TARGETS[name].limits)


def _rows(name: TargetName, features: Sequence[TextFeatures]) -> list[Any]:
    if not TARGETS[name].per_word:
        return [each.text for each in features]
    return [row for each in features for row in each.word_rows()]


def _annotated(nbest: NBest, estimates: Numbers, words: tuple[float, ...]) -> NBest:
    update = {"features": {**nbest.best.features, **estimates}, "word_confidences": words}
    best = nbest.best.model_copy(update=update)
    return nbest.model_copy(update={"hypotheses": (best, *nbest.hypotheses[1:])})


def read_estimator(path: Path) -> FittedEstimator:
    """Read a fitted estimator: a file, or the folder that it is in.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    file = path / ESTIMATOR_FILE if path.is_dir() else path
    try:
        return FittedEstimator.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"expected a fitted estimator, found {error}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise ConfigError(f"{file}: expected a fitted estimator, found {where}: {fault['msg']}") from error

"""Estimates of a fitted estimator for gates and stop rules: of a text, and of what may take its place.

Both are read off the hypotheses: :class:`Annotator` puts them there, or the nodes that gave the texts did.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from components.confidence.estimators.examples import TextFeatures
from components.confidence.estimators.fitted_estimator import FittedEstimator, read_estimator
from components.confidence.estimators.sources import locate_estimator
from components.confidence.features import FEATURES, SUFFIX, extract_features
from components.errors import ConfigError
from components.records import NBest, Utterance
from components.text.text_confidence import QUALITIES

OF_TEXT_ALONE = (
    *("compression_ratio", "n_words", "word_ratio", "character_ratio"),
    *("seconds", "words_per_second", "characters_per_second"),
)
"""Features that a text has although nothing decoded it: its own, and those of its source or speech."""
Others = Mapping[str, NBest]
"""Further texts of an utterance by the number in features: ``"2"`` of ``agreement_chrf.2``."""
NO_OTHERS: Others = {}


class Annotator:
    """Adds the estimate that decides, ``estimate``, to the best hypotheses of texts."""

    def __init__(self, reference: str, estimate: str | None, store: str | None) -> None:
        self._estimator = select_target(read(reference, store), reference, estimate)
        self._reference = reference
        self.estimate = next(iter(self._estimator.targets))

    def annotate(
        self, items: Sequence[Utterance], texts: Sequence[NBest], others: Sequence[Others] = ()
    ) -> list[NBest]:
        """Return the texts with the estimate among the features of their best hypotheses.

        Args:
            items: the utterances, each with the source of its text.
            texts: the texts.
            others: further texts that each is compared with; none if empty.

        Raises:
            ConfigError: the texts lack a feature that the estimator was fitted with.
        """
        rows = zip(items, texts, others or [NO_OTHERS] * len(texts), strict=True)
        features = [TextFeatures(extract_features(text, item, row)) for item, text, row in rows]
        if missing := self._estimator.find_missing_features(features):
            raise ConfigError(
                f"estimator: expected the features that {self._reference} was fitted with, found no "
                f"{', '.join(missing)} of a text before a round, or of what takes its place"
            )
        return self._estimator.annotate(texts, features)


def read(reference: str, store: str | None) -> FittedEstimator:
    """Read a fitted estimator; its errors name the setting.

    Raises:
        ConfigError: there is none.
    """
    try:
        return read_estimator(locate_estimator(reference, store))
    except ConfigError as error:
        raise ConfigError(f"estimator: {error}") from error


def select_target(estimator: FittedEstimator, reference: str, estimate: str | None) -> FittedEstimator:
    """Return the estimator with the target that decides alone.

    Raises:
        ConfigError: it has no such target.
    """
    names = [name for name in estimator.targets if name in QUALITIES]
    selected = next((name for name in QUALITIES if name in names and estimate in (None, name)), None)
    if selected is None:
        raise ConfigError(
            f"estimate: expected {estimate or 'an estimate of whole texts'}, found that {reference} gives "
            f"{', '.join(estimator.targets)}"
        )
    targets = {name: target for name, target in estimator.targets.items() if name == selected}
    return estimator.model_copy(update={"targets": targets})


def check_estimator(
    reference: str, estimate: str | None, store: str | None, *, transcripts: bool, texts: int | None
) -> None:
    """Refuse a finished estimator that cannot judge the texts of a gate.

    Args:
        reference: the estimator.
        estimate: which of its estimates.
        store: URL of the store.
        transcripts: whether the texts are transcripts.
        texts: how many it may compare, the estimated one among them; None where nodes gave all that is
            judged, so that it may have any feature of a single text.

    Raises:
        ConfigError: it was fitted for other texts, or with features that a proposed text never has.
    """
    fitted = read(reference, store)
    output = "transcript" if transcripts else "translation"
    if fitted.of != output:
        raise ConfigError(
            f"estimator: expected one of {output}s, found {reference}, which was fitted for {fitted.of}s"
        )
    columns = next(iter(select_target(fitted, reference, estimate).targets.values())).columns
    refuse_features([column.name for column in columns], reference, texts)


def refuse_features(names: Collection[str] | None, reference: str, texts: int | None) -> None:
    """Refuse features of further texts that there are not, and of tokens where nothing decodes a text.

    Args:
        names: what an estimator is fitted on; None: whatever its texts have, tokens among it.
        reference: the estimator, for the message.
        texts: as of :func:`check_estimator`.

    Raises:
        ConfigError: a proposed text does not have all of them.
    """
    names = ("all features",) if names is None else names
    further = {f"{stem}.{n}" for stem in _COMPARED for n in range(2, (texts or 1) + 1)}
    compared = {name for name in names if name.rpartition(".")[0] in _COMPARED}
    refused = sorted(compared - further)
    if texts is not None:
        refused = sorted({*names} - further - {*OF_TEXT_ALONE})
    if refused:
        has = [*OF_TEXT_ALONE, *(f"{stem}.NUMBER of `of`" for stem in _COMPARED if (texts or 1) > 1)]
        raise ConfigError(
            f"estimator: expected features that a proposed text has ({', '.join(has)}), found "
            f"{', '.join(refused)} in {reference}; fit one with `features`, or put a node of kind estimate "
            "at the end of a loop's body"
        )


_COMPARED = tuple(
    name.removesuffix(SUFFIX)
    for name, row in FEATURES.items()
    if name.endswith(SUFFIX) and name != f"value{SUFFIX}"
)

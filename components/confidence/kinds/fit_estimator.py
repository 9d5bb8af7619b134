"""``fit_estimator``: an estimator of how good texts are, fitted on texts with references."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from components.confidence.estimators.config import ESTIMATOR_FILE, MIN_ITEMS, VERSION, EstimatorConfig
from components.confidence.kinds.estimate import check_first_is_text, features_of, first_text
from components.errors import ConfigError, DataError
from components.metrics.normalizers import check_normalizer
from components.nodes.facts import Carry, Items, Language, Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext
from components.records import NBest, Utterance
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles

if TYPE_CHECKING:
    from components.confidence.estimators.examples import Example
    from components.confidence.estimators.targets import Output

LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "lightgbm", "jiwer", "rapidfuzz", "sacrebleu", "openai-whisper"),
)
"""Distributions whose versions decide the estimator."""


class FitEstimator(Kind[EstimatorConfig]):
    """Reads what an ``estimate`` node reads, over a development set; that node names it as ``fitted``."""

    name = "fit_estimator"
    summary = "texts with references -> an estimator for estimate"
    settings = EstimatorConfig
    reads = ("text", "table")
    inputs = (1, 17)
    output = "table"
    mode = Mode.AGGREGATE
    items = Items(Carry.SOURCE)
    language = Language.OF_FIRST
    version = str(VERSION)
    libraries = LIBRARIES
    stated = state(fewest_utterances=(MIN_ITEMS, MIN_ITEMS))

    @override
    def check_inputs(self, settings: EstimatorConfig, context: NodeContext) -> None:
        """Check that the first input is a text, and with ``against_gold`` the last one too."""
        check_first_is_text(context)
        if settings.against_gold and (len(context.of) < 2 or context.types[-1] != "text"):
            raise ConfigError(
                "against_gold: expected a text as the last of two or more in `of`, what the same system "
                f"gives for the reference transcript, found {', '.join(context.display_names)}"
            )

    @override
    def check(self, settings: EstimatorConfig, context: NodeContext) -> None:
        """Check that the targets are those of such texts, and the normalizer."""
        from components.confidence.estimators.targets import targets_of  # noqa: PLC0415 - when it is used

        check_normalizer(settings.normalizer)
        known = targets_of("transcript" if context.transcripts else "translation")
        wrong = [name for name in settings.targets if name not in known]
        if wrong:
            what = "transcripts" if context.transcripts else "translations"
            raise ConfigError(f"targets: expected some of {', '.join(known)} for {what}, found {wrong[0]}")

    @override
    def collect(
        self, settings: EstimatorConfig, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Fit the estimator on the utterances that have references."""
        from components.confidence.estimators.training import fit_estimator  # noqa: PLC0415 - imports numpy

        examples = [
            example for item in items if (example := _make_example(item, settings, context)) is not None
        ]
        output: Output = "transcript" if context.transcripts else "translation"
        try:
            fitted = fit_estimator(examples, output, settings, context.seed, context.progress)
        except DataError as error:
            raise DataError(f"{context.name}: {error}") from None
        fitted.save(folder)
        return StageFiles([ESTIMATOR_FILE], items=len(examples))

    @override
    def notes(
        self, settings: EstimatorConfig, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say how good the estimates of held-out utterances are."""
        from components.confidence.estimators.fitted_estimator import read_estimator  # noqa: PLC0415

        fitted = read_estimator(Path(ref.path))
        lines = [
            f"{ref.stage}: {name} out of fold: {_describe_quality(target.quality)}"
            for name, target in fitted.targets.items()
        ]
        bad = fitted.bad_below
        lines += [] if bad is None else [f"{ref.stage}: a translation counts as bad below {bad:.1f} chrF"]
        return [*lines, f"{ref.stage}: estimator store:{ref.key}"]


def _make_example(item: Item, settings: EstimatorConfig, context: NodeContext) -> Example | None:
    """Return one example, if there are references in the language of the text."""
    from components.confidence.estimators.examples import Example  # noqa: PLC0415 - imports numpy
    from components.confidence.estimators.seen import fingerprint  # noqa: PLC0415 - with it

    utterance = item.utterance
    references = _references_of(utterance, context)
    if not references:
        return None
    of = context.of[:-1] if settings.against_gold else context.of
    gold = item.inputs.get(context.of[-1]) if settings.against_gold else None
    return Example(
        id=utterance.id,
        text=first_text(item, of).best.text,
        references=references,
        language=utterance.target_language or utterance.source_language,
        features=features_of(item, of),
        gold_text=gold.best.text if isinstance(gold, NBest) else None,
        fingerprint=fingerprint(utterance),
    )


def _references_of(utterance: Utterance, context: NodeContext) -> tuple[str, ...]:
    """Return what the text is compared with: the transcript, or translations in its language."""
    if context.transcripts:
        transcript = (utterance.transcript or "").strip()
        return (transcript,) if transcript else ()
    if context.languages[1] not in (
        None,
        utterance.target_language,
    ):  # that of the text, as of all looking back
        return ()
    return tuple(reference for reference in utterance.references if reference.strip())


def _describe_quality(quality: dict[str, float]) -> str:
    """Describe the numbers of :mod:`components.confidence.estimators.training` in a line."""
    n = f"{quality['n']:,.0f}"
    if "auroc" in quality:
        return (
            f"AUROC {quality['auroc']:.3f}, ECE {quality['ece']:.3f}, NCE {quality['nce']:.3f} "
            f"(rate {quality['rate']:.3f}, n {n})"
        )
    return (
        f"Pearson {quality['pearson']:.3f}, mean absolute error {quality['mean_absolute_error']:.1f} "
        f"(mean {quality['mean']:.1f}, n {n})"
    )

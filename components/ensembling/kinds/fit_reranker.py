"""``tune``: coefficients of reranking, learned from finished outputs over a development set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from components.ensembling.kinds.combine import Combine, CombineSettings, language_of_texts, outcomes_of
from components.ensembling.output_level.config import COEFFICIENTS_FILE
from components.ensembling.output_level.weighted_hypotheses import SystemNBest, add_language_model_scores
from components.errors import DataError
from components.files.files import read_json, write_json
from components.metrics.metric_names import split_metric
from components.nodes.facts import Mode
from components.nodes.node_context import Item, NodeContext
from components.records import Utterance
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles
from components.text.languages import UNDETERMINED


class Example(NamedTuple):
    """The systems' n-best lists for one utterance, its references, their language, and the source."""

    offers: list[SystemNBest]
    references: tuple[str, ...]
    language: str
    source: str


class FitReranker(Combine):
    """Learns coefficients from texts with references; a ``combine`` node names it as ``tuned``.

    Its settings are those of that node: the metric is the corpus metric that ``utility`` names.
    """

    name = "fit_reranker"
    summary = "texts with references -> coefficients of reranking"
    output = "table"
    mode = Mode.AGGREGATE
    version = "6"
    learns = True

    @override
    def collect(
        self, settings: CombineSettings, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Learn by minimum error rate training on the utterances that have references."""
        from components.ensembling.output_level import mert  # noqa: PLC0415 - imports numpy and sacrebleu
        from components.ensembling.output_level.risk.mbr_utilities import UtilityMetric  # noqa: PLC0415 - as above

        model = self.language_model(settings, context)
        sees_source = self.facts(settings).reads_source
        candidates = (_make_example(item, settings, context, sees_source=sees_source) for item in items)
        examples = [example for example in candidates if example is not None]
        if not examples:
            raise DataError(
                f"{context.name}: expected development utterances with outputs and references, found none; "
                "give other data"
            )
        offers = [
            sample.offers if model is None else add_language_model_scores(sample.offers, model)
            for sample in examples
        ]
        languages = {example.language for example in examples}
        language = languages.pop() if len(languages) == 1 else UNDETERMINED
        references = [example.references for example in examples]
        metric = self.utility_metric(settings, context)
        judges = [] if metric is None else [UtilityMetric(metric, example.source) for example in examples]
        result = mert.mert(offers, references, settings, language, context.seed, judges)
        if not result.coefficients:
            raise DataError(
                f"{context.name}: expected development utterances with candidates whose features differ, "
                f"found none among {len(examples)}; give more, or systems that differ"
            )
        values = {"coefficients": result.coefficients, "score": result.score, "single": result.single}
        write_json(folder / COEFFICIENTS_FILE, values)
        return StageFiles([COEFFICIENTS_FILE], items=len(examples))

    @override
    def notes(
        self, settings: CombineSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say what score was reached."""
        values = read_json(Path(ref.path) / COEFFICIENTS_FILE)
        name = split_metric(settings.utility)[0]
        score, single = abs(values["score"]), abs(values["single"])  # of error rates the negative is stored
        return [
            f"{ref.stage}: {name} {score:.2f} on {ref.items} development utterances, "
            f"{single:.2f} with the best single feature"
        ]


def _make_example(
    item: Item, settings: CombineSettings, context: NodeContext, *, sees_source: bool
) -> Example | None:
    """Return one example, if a system that counts gave something for it and there are references."""
    from components.ensembling.output_level.system_combination import gather_systems  # noqa: PLC0415 - imports numpy

    utterance = item.utterance
    offers = gather_systems(outcomes_of(item, context), settings)
    language = language_of_texts(utterance, sees_source=sees_source)
    references = _references_of(utterance, language, transcripts=context.transcripts)
    source = utterance.text or ""
    is_complete = offers and references and (source.strip() or not sees_source)
    return Example(offers, references, language, source) if is_complete else None


def _references_of(utterance: Utterance, language: str, *, transcripts: bool) -> tuple[str, ...]:
    """Return what the texts are compared with: the transcript, or references in their language."""
    if transcripts:
        return (utterance.transcript,) if utterance.transcript else ()
    if language not in (utterance.target_language, UNDETERMINED):
        return ()
    return tuple(reference for reference in utterance.references if reference.strip())

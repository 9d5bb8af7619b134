"""``tune``: coefficients of reranking, learned from finished outputs over a development set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import DataError
from components.files import read_json, write_json
from components.nodes.combine import COEFFICIENTS, Combine, CombineSettings
from components.nodes.kind import Site
from components.records import NBest, StageRef, Utterance
from components.storage.reader import StoredOutcomes, utterances
from components.storage.stage_writer import Product


class Example(NamedTuple):
    """What the systems gave for one utterance, by number; its references; the language of the texts."""

    outputs: dict[str, NBest]
    references: tuple[str, ...]
    language: str


class Tune(Combine):
    """Texts over a data set with references -> coefficients; a ``combine`` node names it as ``tuned``.

    Its settings are those of that node: the metric is the corpus metric that ``utility`` names.
    """

    name = "tune"
    summary = "texts with references -> coefficients of reranking"
    gives = "table"
    whole = True

    def parameters(self, settings: CombineSettings, site: Site) -> dict[str, Any]:
        """What features are made of; which language decides the references stands in ``language``."""
        of_features = settings.model_dump(mode="json", exclude={"language_model", "tuned", "coefficients"})
        return {**of_features, "language": site.language}

    def check(self, settings: CombineSettings, site: Site) -> None:
        """As of the node that combines."""
        super().check(settings.model_copy(update={"tuned": site.name}), site)

    def make(
        self, settings: CombineSettings, site: Site, read: Mapping[str, StageRef], folder: Path
    ) -> Product:
        """Learn by minimum error rate training on the utterances that have references."""
        from components.ensembling import tuning  # noqa: PLC0415 - imports numpy and sacrebleu
        from components.ensembling.offers import Offer, with_scores  # noqa: PLC0415 - as above

        model = self.language_model(settings, site)
        weights = settings.weights or (1.0,) * len(site.of)
        offers, examples = [], list(_examples(site, read))
        for example in examples:
            given = [
                Offer(name, nbest.hypotheses, weight)
                for name, nbest in example.outputs.items()
                if (weight := weights[int(name) - 1]) > 0
            ]
            offers.append(given if model is None else with_scores(given, model))
        if not offers:
            raise DataError(
                f"{site.name}: expected development utterances with outputs and references, found none; "
                "give other data"
            )
        languages = {example.language for example in examples}
        language = languages.pop() if len(languages) == 1 else "und"
        references = [example.references for example in examples]
        found = tuning.tune(offers, references, settings, language, site.seed)
        values = {"coefficients": found.coefficients, "score": found.score, "single": found.single}
        write_json(folder / COEFFICIENTS, values)
        return Product([COEFFICIENTS], items=len(offers))

    def notes(self, settings: CombineSettings, site: Site, ref: StageRef, data: StageRef) -> list[str]:
        """What it reached."""
        values = read_json(Path(ref.path) / COEFFICIENTS)
        return [
            f"{ref.stage}: {settings.utility} {values['score']:.2f} on {ref.items} development utterances, "
            f"{values['single']:.2f} with the best single feature"
        ]


def _examples(site: Site, read: Mapping[str, StageRef]) -> Iterator[Example]:
    """The utterances for which a system gave something and of which there are references, in order."""
    systems = {str(n + 1): StoredOutcomes(read[f"of{n}"]) for n in range(len(site.of)) if f"of{n}" in read}
    for utterance in utterances(read["data"]):
        outcomes = {name: system.get(utterance.id) for name, system in systems.items()}
        outputs = {name: each for name, each in outcomes.items() if isinstance(each, NBest)}
        references = _references(utterance, site.language)
        if outputs and references:
            yield Example(outputs, references, _language(utterance, site.language))


def _language(utterance: Utterance, language: str) -> str:
    named = {"source": utterance.source_language, "target": utterance.target_language or "und"}
    return named.get(language, language)


def _references(utterance: Utterance, language: str) -> tuple[str, ...]:
    """Transcripts are held against the transcript, translations against references in their language."""
    if language == "source":
        return (utterance.transcript,) if utterance.transcript else ()
    if language not in ("target", utterance.target_language):
        return ()
    return tuple(reference for reference in utterance.references if reference.strip())

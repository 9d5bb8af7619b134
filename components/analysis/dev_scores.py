"""Scores of models on development data, by which a merge or a pruning decides: greedy search, one metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components import data
from components.errors import DataError
from components.files.files import write_json
from components.files.json_text import parse_json
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.table import METRICS
from components.models import resolve
from components.recognition import factory as recognition
from components.recognition.config import RecognitionConfig
from components.records import NBest, Outcome, Utterance
from components.text.languages import UNDETERMINED
from components.translation import factory as translation
from components.translation.config import TranslationConfig


class DevelopmentScorer:
    """Scores models on a data set; a score that was measured before is not measured again.

    Args:
        dataset: development data with references, or with speech and transcripts.
        metric: of :data:`~components.metrics.table.METRICS`; ``auto``: wer of recognizers, else bleu.
        device: where the models compute.
        store: URL of the store, for ``store:KEY`` models.
        memory: file of the scores so far, by the models' digests; an interrupted stage goes on from it.
    """

    def __init__(
        self, dataset: data.Dataset, metric: str, device: str, store: str | None, memory: Path
    ) -> None:
        self._dataset, self._metric, self._device, self._store = dataset, metric, device, store
        self._memory = memory
        known = parse_json(memory.read_bytes()) if memory.is_file() else {}
        self._scores: dict[str, float] = known if isinstance(known, dict) else {}
        self.name = metric

    def __call__(self, model: str) -> float:
        """Return the score of a model, given by reference or folder; of error rates the negative.

        Raises:
            DataError: the data have nothing that the metric can score.
        """
        checkpoint = resolve(model, self._store)
        if checkpoint.sha256 not in self._scores:
            is_speech = checkpoint.architecture.startswith("Whisper")
            self._scores[checkpoint.sha256] = self._measure(model, is_speech=is_speech)
            write_json(self._memory, self._scores)
        return self._scores[checkpoint.sha256]

    def _measure(self, model: str, *, is_speech: bool) -> float:
        self.name = self._metric if self._metric != "auto" else "wer" if is_speech else "bleu"
        metric, utterances = METRICS[self.name], self._dataset.utterances
        references, languages = _references_of(utterances, spoken=metric.output == "transcript")
        judged = [u for u in utterances if u.id in references]
        outcomes = self._recognize(model, judged) if is_speech else self._translate(model, judged)
        # What a model cannot translate counts as empty: it would gain by failing where it is bad.
        texts = {o.utterance_id: o.best.text if isinstance(o, NBest) else "" for o in outcomes}
        tables = text_statistics(
            references, texts, language=languages, n_total=len(utterances), names=(self.name,)
        )
        if self.name not in tables:
            raise DataError(
                f"dev: expected utterances that {self.name} can score, found none among {len(utterances)}; "
                "give development data with references, or set another metric"
            )
        score = tables[self.name].score()
        return score if metric.higher_is_better else -score

    def _translate(self, model: str, utterances: list[Utterance]) -> list[Outcome]:
        written = [
            u.model_copy(update={"text": text}) for u in utterances if (text := u.text or u.transcript)
        ]
        config = TranslationConfig(model=model, beam_size=1, n_best=1, device=self._device)
        return translation.build(config, self._store).translate(written)

    def _recognize(self, model: str, utterances: list[Utterance]) -> list[Outcome]:
        spoken = [utterance for utterance in utterances if utterance.audio is not None]
        config = RecognitionConfig(model=model, beam_size=1, n_best=1, device=self._device)
        return recognition.build(config, self._store).recognize(spoken)


def _references_of(
    utterances: tuple[Utterance, ...] | list[Utterance], *, spoken: bool
) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, str]]:
    """Return references and their languages by utterance id: transcripts, or translations."""
    if spoken:
        references = {u.id: (u.transcript,) for u in utterances if u.transcript is not None}
        return references, {u.id: u.source_language for u in utterances}
    translations = {u.id: u.references for u in utterances if u.references}
    return translations, {u.id: u.target_language or UNDETERMINED for u in utterances}

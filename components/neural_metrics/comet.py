"""Scorers of the COMET family over their networks; equal to unbabel-comet 2.2.7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from components.metrics.model_metric import ErrorSpan, Sample, SentenceScore
from components.networks.comet import RegressionNetwork, UnifiedNetwork, UnifiedOutput
from components.neural_metrics.batches import compute_by_key, compute_once_each, map_batches
from components.neural_metrics.error_spans import find_error_spans, mqm_score

SPAN_WEIGHTS = (0.1667, 0.3333, 0.5)
"""Weights of the label probabilities with source, with reference, and with both."""
SCORE_WEIGHTS = (0.12, 0.33, 0.33, 0.22)
"""xCOMET's weights of the scores with source, with reference, with both, and of its error spans."""


class _CometScorer:
    """Tokenizes as COMET does: at most the encoder's positions less two."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network = network
        self._tokenizer = tokenizer
        self._max_positions = network.encoder.model.config.max_position_embeddings - 2
        self._device = next(network.parameters()).device

    def _tokenize(self, text: str) -> Any:
        return self._tokenizer(
            text, truncation=True, max_length=self._max_positions - 2, return_offsets_mapping=True
        )


class RegressionScorer(_CometScorer):
    """wmt20-, wmt22-comet-da and wmt20-comet-qe-da: each different text is encoded once.

    So N hypotheses against M references are N + M passes through the encoder, not N times M. With several
    references the score is the mean of those with each.
    """

    network: RegressionNetwork

    @torch.inference_mode()
    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Return scores of samples; without references where the model reads none."""
        texts = [text for s in samples for text in (s.hypothesis, s.source, *s.references)]
        embeddings = compute_by_key(texts, self._embed)
        pairs = [
            (s.hypothesis, s.source, reference) for s in samples for reference in s.references or (None,)
        ]
        values = iter(self._estimate(pairs, embeddings))
        return [SentenceScore(_mean([next(values) for _ in s.references or (None,)])) for s in samples]

    def _embed(self, texts: list[str]) -> list[Tensor]:
        sequences = [self._tokenize(text).input_ids for text in texts]
        pad = self._tokenizer.pad_token_id
        return map_batches(
            sequences, pad, self._device, lambda ids, mask, _: list(self.network.embed(ids, mask))
        )

    def _estimate(
        self, pairs: Sequence[tuple[str, str, str | None]], embeddings: dict[str, Tensor]
    ) -> list[float]:
        values: list[float] = []
        for first in range(0, len(pairs), 1024):
            batch = pairs[first : first + 1024]
            mt = torch.stack([embeddings[hypothesis] for hypothesis, _, _ in batch])
            src = torch.stack([embeddings[source] for _, source, _ in batch])
            with_reference = [embeddings[reference] for _, _, reference in batch if reference is not None]
            ref = torch.stack(with_reference) if with_reference else None
            values += self.network(mt, src, ref).tolist()
        return values


class _Pass(NamedTuple):
    """One pass through a unified network: its score, and the label probabilities of the translation."""

    score: float
    probabilities: Tensor | None


class UnifiedScorer(_CometScorer):
    """CometKiwi, UniTE and xCOMET: translation and the texts beside it are one sequence.

    Args:
        network: the network.
        tokenizer: of its encoder.
        severities: labels of the word-level head.
        is_xcomet: whether scores are put together with that of the error spans, as xCOMET's are.
    """

    network: UnifiedNetwork

    def __init__(
        self, network: UnifiedNetwork, tokenizer: Any, severities: Sequence[str], *, is_xcomet: bool
    ) -> None:
        super().__init__(network, tokenizer)
        self._severities = tuple(severities)
        self._is_xcomet = is_xcomet

    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Return scores and error spans of samples; of several references those of the first, all scores."""
        return compute_once_each(samples, self._score)

    @torch.inference_mode()
    def _score(self, samples: list[Sample]) -> list[SentenceScore]:
        contexts = [
            (sample.hypothesis, beside)
            for sample in samples
            for reference in sample.references or ("",)
            for beside in _contexts_of(sample.source, reference)
        ]
        passes = iter(compute_once_each(contexts, self._run))
        scores = []
        for sample in samples:
            alternatives = []
            for reference in sample.references or ("",):
                runs = [next(passes) for _ in _contexts_of(sample.source, reference)]
                alternatives.append(self._combine(sample.hypothesis, runs))
            value = _mean([score.value for score in alternatives])
            scores.append(SentenceScore(value, alternatives[0].spans))
        return scores

    def _run(self, contexts: list[tuple[str, tuple[str, ...]]]) -> list[_Pass]:
        texts = dict.fromkeys(text for hypothesis, beside in contexts for text in (hypothesis, *beside))
        ids = {text: list(self._tokenize(text).input_ids) for text in texts}
        sequences = [self._join(ids[mt], [ids[text] for text in beside]) for mt, beside in contexts]

        def compute(tokens: Tensor, mask: Tensor, rows: list[int]) -> list[_Pass]:
            output: UnifiedOutput = self.network(tokens, mask)
            labels = None if output.probabilities is None else output.probabilities.cpu()
            lengths = [len(ids[contexts[row][0]]) for row in rows]
            return [
                _Pass(score, None if labels is None else labels[number, : lengths[number]])
                for number, score in enumerate(output.score.tolist())
            ]

        return map_batches(sequences, self._tokenizer.pad_token_id, self._device, compute)

    def _join(self, hypothesis: list[int], beside: Sequence[list[int]]) -> list[int]:
        """Return ``<s> mt </s></s> src </s></s> ref </s>``, cut to the encoder's positions."""
        begin, end = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        joined = [begin, *hypothesis[1:-1], end]
        for other in beside:
            joined += [end, *other[1:-1], end]
        n_texts = 1 + len(beside)
        n_tokens = sum(len(text) - 2 for text in (hypothesis, *beside))
        is_cut = n_tokens > self._max_positions - (1 + 2 * n_texts)
        return joined[: self._max_positions] if is_cut else joined

    def _combine(self, hypothesis: str, runs: Sequence[_Pass]) -> SentenceScore:
        spans = self._spans(hypothesis, runs)
        if not self._is_xcomet:
            return SentenceScore(_mean([run.score for run in runs]), spans)
        weights = SCORE_WEIGHTS[:3] if len(runs) == 3 else (sum(SCORE_WEIGHTS[:3]),)
        regression = sum(min(run.score, 1.0) * weight for run, weight in zip(runs, weights, strict=True))
        return SentenceScore(regression + SCORE_WEIGHTS[3] * mqm_score(spans), spans)

    def _spans(self, hypothesis: str, runs: Sequence[_Pass]) -> tuple[ErrorSpan, ...]:
        labels = [run.probabilities for run in runs if run.probabilities is not None]
        if not labels:
            return ()
        weights = SPAN_WEIGHTS if len(labels) == 3 else (1.0,)
        mixed = sum(weight * part for weight, part in zip(weights, labels, strict=True))
        assert isinstance(mixed, Tensor)
        tokens = self._tokenize(hypothesis)
        return find_error_spans(
            mixed, tokens.input_ids, tokens.offset_mapping, self._severities, self._tokenizer.decode
        )


def _contexts_of(source: str, reference: str) -> list[tuple[str, ...]]:
    """The texts beside the translation, pass by pass: source, reference, both; or the only one there is."""
    if source and reference:
        return [(source,), (reference,), (source, reference)]
    return [(source or reference,)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

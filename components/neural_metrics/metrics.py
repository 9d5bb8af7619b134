"""The metrics of models: their names, papers and scales; importing them loads no model and no torch."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from components.metrics.metric import Need
from components.metrics.model_metric import ModelMetric
from components.neural_metrics.neural_metric import NeuralMetric


@dataclass(frozen=True)
class _NeuralMetric(NeuralMetric):
    @override
    def open(self, reference: str, store: str | None, device: str) -> ModelMetric:
        from components.neural_metrics.factory import open_metric  # noqa: PLC0415 - imports torch

        return open_metric(self, reference, store, device)


_COMET = "Rei et al. 2022, https://aclanthology.org/2022.wmt-1.52"
_KIWI = "Rei et al. 2022, https://aclanthology.org/2022.wmt-1.60"
_XCOMET = "Guerreiro et al. 2024, https://doi.org/10.1162/tacl_a_00683"
_METRICX = "Juraska et al. 2024, https://aclanthology.org/2024.wmt-1.35"

BOTH: frozenset[Need] = frozenset({"source", "reference"})
SOURCE: frozenset[Need] = frozenset({"source"})
REFERENCE: frozenset[Need] = frozenset({"reference"})

COMET = _NeuralMetric(
    "comet", "COMET", BOTH, rank=100, about=_COMET, example="comet:hub:Unbabel/wmt22-comet-da"
)
COMETKIWI = _NeuralMetric(
    "cometkiwi",
    "CometKiwi",
    SOURCE,
    rank=101,
    about=_KIWI,
    example="cometkiwi:hub:Unbabel/wmt22-cometkiwi-da",
)
XCOMET = _NeuralMetric(
    "xcomet",
    "xCOMET",
    BOTH,
    rank=102,
    family="xcomet",
    about=_XCOMET,
    example="xcomet:hub:Unbabel/XCOMET-XL",
)
XCOMET_QE = _NeuralMetric(
    "xcomet_qe",
    "xCOMET-QE",
    SOURCE,
    rank=103,
    family="xcomet",
    about=_XCOMET,
    example="xcomet_qe:hub:Unbabel/XCOMET-XL",
)
METRICX = _NeuralMetric(
    "metricx",
    "MetricX",
    BOTH,
    higher_is_better=False,
    ceiling=0.0,
    worst=25.0,
    scale=1.0,
    rank=104,
    family="metricx",
    about=_METRICX,
    example="metricx:hub:google/metricx-24-hybrid-large-v2p6",
)
METRICX_QE = _NeuralMetric(
    "metricx_qe",
    "MetricX-QE",
    SOURCE,
    higher_is_better=False,
    ceiling=0.0,
    worst=25.0,
    scale=1.0,
    rank=105,
    family="metricx",
    about=_METRICX,
    example="metricx_qe:hub:google/metricx-24-hybrid-large-v2p6",
)
GEMBA = _NeuralMetric(
    "gemba",
    "GEMBA-DA",
    SOURCE,
    scale=1.0,
    rank=106,
    family="chat",
    about="Kocmi and Federmann 2023, https://aclanthology.org/2023.eamt-1.19",
    example="gemba:served:qwen3",
)
BERTSCORE = _NeuralMetric(
    "bertscore",
    "BERTScore",
    REFERENCE,
    rank=107,
    family="similarity",
    about="Zhang et al. 2020, https://openreview.net/forum?id=SkeHuCVFDr",
    example="bertscore:hub:FacebookAI/xlm-roberta-large",
)
SENTENCE_COSINE = _NeuralMetric(
    "sentence_cosine",
    "sentence cosine",
    REFERENCE,
    rank=108,
    family="similarity",
    about="Reimers and Gurevych 2019, https://aclanthology.org/D19-1410",
    example="sentence_cosine:packaged:all-minilm-l6-v2",
)

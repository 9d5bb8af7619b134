"""A metric and its model -> the metric with its scorer; models stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from components import models
from components.compute.device import pick_device
from components.compute.model_cache import model_cache
from components.endpoints.chat import open_chat
from components.errors import ModelError, to_one_line
from components.files.json_text import parse_json
from components.metrics.model_metric import ModelMetric, Sample, SentenceScore, SentenceScorer
from components.models.architectures import COMET, METRICX, SERVED
from components.models.checkpoints import read_json
from components.models.loaders.loading import load_transformers
from components.models.references import split_reference
from components.models.sources.served import probe_chat
from components.models.weights import copy_weights_into
from components.networks.comet import RegressionNetwork, UnifiedNetwork
from components.neural_metrics.comet import RegressionScorer, UnifiedScorer
from components.neural_metrics.gemba import GembaScorer
from components.neural_metrics.metricx import MetricXScorer
from components.neural_metrics.neural_metric import NeuralMetric
from components.neural_metrics.similarity import (
    BertScorer,
    SentenceCosineScorer,
    best_layer,
    refuse_no_encoder,
)
from components.records import Checkpoint

XCOMET_CLASS = "xcomet_metric"


def is_xcomet(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint is an xCOMET."""
    return checkpoint.architecture == COMET and _settings(checkpoint)["class_identifier"] == XCOMET_CLASS


def open_metric(row: NeuralMetric, reference: str, store: str | None, device: str) -> ModelMetric:
    """Return a metric with its model, which is loaded at the first score; see :meth:`ModelMetric.open`.

    Raises:
        ModelError: the model is not there, damaged, or of another metric.
    """
    checkpoint = models.resolve(reference, store)
    validate(row, checkpoint)
    return row.bind(_LazyScorer(row, checkpoint, str(pick_device(device))), describe(row, checkpoint))


class _LazyScorer:
    """Loads its model when something is scored, so that stored scores are read without it."""

    def __init__(self, row: NeuralMetric, checkpoint: Checkpoint, device: str) -> None:
        self._row, self._checkpoint, self._device = row, checkpoint, device

    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        if not samples:
            return []
        return load_scorer(self._row, self._checkpoint, self._device).score(samples)


def load_scorer(row: NeuralMetric, checkpoint: Checkpoint, device: str) -> SentenceScorer:
    """Load a metric's scorer, resident in this process; of a served judge one that asks today's endpoint."""
    if checkpoint.architecture == SERVED:
        return FAMILIES[row.family](row, checkpoint, device)
    key = ("sentence scorer", row.name, *checkpoint.identity, device)
    return model_cache.get(key, lambda: FAMILIES[row.family](row, checkpoint, device))


def describe(row: NeuralMetric, checkpoint: Checkpoint) -> str:
    """Return the model and settings in a line, for signatures; the model is not loaded."""
    name = checkpoint.reference if ":" in checkpoint.reference else Path(checkpoint.reference).name
    facts = [f"model:{name}@{checkpoint.sha256[:12]}"]
    if row.family in ("comet", "xcomet"):
        facts.append(f"class:{_settings(checkpoint)['class_identifier']}")
    if row.name == "bertscore":
        layer = best_layer(read_json(Path(checkpoint.path) / "config.json"))
        facts += [f"layer:{layer}", "idf:no", "rescaled:no"]
    if row.name == "sentence_cosine":
        facts.append("pooling:mean")
    if "reference" in row.needs:
        facts.append("refs:max" if row.family == "similarity" else "refs:mean")
    return "|".join(facts)


def validate(row: NeuralMetric, checkpoint: Checkpoint) -> None:
    """Refuse a model that computes another metric, or reads what the metric does not have: ModelError."""
    expected = {"comet": COMET, "xcomet": COMET, "metricx": METRICX, "chat": SERVED}.get(row.family)
    kind = checkpoint.architecture
    if expected is None:
        refuse_no_encoder(checkpoint.reference, read_json(Path(checkpoint.path) / "config.json"))
        return
    if kind == COMET and expected == COMET:
        settings = _settings(checkpoint)
        kind = settings["class_identifier"]
        if (kind == XCOMET_CLASS) == (row.family == "xcomet") and row.needs in _readable(settings):
            return
    elif kind == expected:
        if kind == SERVED:
            probe_chat(checkpoint.reference)
        return
    raise ModelError(
        f"{row.name}: expected a model such as {row.example.partition(':')[2]}, found {checkpoint.reference} "
        f"({kind}); other models of this family have other names, see docs/evaluation/metrics.md"
    )


def _settings(checkpoint: Checkpoint) -> dict[str, Any]:
    settings = read_json(Path(checkpoint.path) / "config.json").get("metric")
    if not isinstance(settings, dict):
        raise ModelError(f"{checkpoint.reference}: expected the settings of a COMET model, found none")
    return settings


def _readable(settings: dict[str, Any]) -> list[frozenset[str]]:
    """Return what a model of COMET can be given beside the translation."""
    source, both = frozenset({"source"}), frozenset({"source", "reference"})
    if settings["class_identifier"] == "regression_metric":
        return [both]
    if settings["class_identifier"] == "referenceless_regression_metric":
        return [source]
    return [source, both] if "ref" in settings["input_segments"] else [source]


def _load_comet(row: NeuralMetric, checkpoint: Checkpoint, device: str) -> SentenceScorer:
    settings = _settings(checkpoint)
    folder = Path(checkpoint.path)
    kind = settings["class_identifier"]
    values = read_json(folder / "config.json")["encoder"]
    assert isinstance(values, dict)
    config = AutoConfig.for_model(**values)
    encoder = AutoModel.from_config(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    severities = settings["error_labels"] if settings["word_level_training"] else []
    network: RegressionNetwork | UnifiedNetwork
    if kind in ("unified_metric", XCOMET_CLASS):
        network = UnifiedNetwork(encoder, settings, len(severities) + 1 if severities else 0)
    else:
        network = RegressionNetwork(encoder, settings, with_reference=kind == "regression_metric")
    copy_weights_into(checkpoint, network.state_dict())
    network = network.to(device).eval()
    tokenizer = load_tokenizer(folder)
    if isinstance(network, RegressionNetwork):
        return RegressionScorer(network, tokenizer)
    return UnifiedScorer(network, tokenizer, severities, is_xcomet=kind == XCOMET_CLASS)


def _load_metricx(row: NeuralMetric, checkpoint: Checkpoint, device: str) -> SentenceScorer:
    model, _ = load_transformers(checkpoint, "seq2seq", device)
    return MetricXScorer(model, load_tokenizer(Path(checkpoint.path)))


def _open_judge(row: NeuralMetric, checkpoint: Checkpoint, device: str) -> SentenceScorer:
    return GembaScorer(open_chat(split_reference(checkpoint.reference)[1], again=True))


def _load_similarity(row: NeuralMetric, checkpoint: Checkpoint, device: str) -> SentenceScorer:
    refuse_other_pooling(Path(checkpoint.path))
    model, tokenizer = load_transformers(checkpoint, "encoder", device)
    if row.name == "sentence_cosine":
        return SentenceCosineScorer(model, tokenizer)
    return BertScorer(model, tokenizer, best_layer(model.config.to_dict()))


def load_tokenizer(folder: Path) -> Any:
    """Load tokenizer.json as it is, as these metrics were trained with it.

    transformers 5 rebuilds the tokenizers of XLM-R and mT5 from their vocabularies, whose offsets and spaces
    differ from those of the file.
    """
    if not any(next(folder.glob(pattern), None) for pattern in ("tokenizer.json", "*.model", "vocab.*")):
        # transformers would make an empty one
        raise ModelError(f"{folder}: expected a tokenizer, found none")
    make: Any = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
    try:
        return make.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises whatever its many readers raise
        raise ModelError(f"{folder}: expected a tokenizer, found {to_one_line(error, 200)}") from error


def refuse_other_pooling(folder: Path) -> None:
    """Refuse a sentence encoder whose embedding is not the mean of its tokens' states: ModelError."""
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file() and not read_json(pooling).get("pooling_mode_mean_tokens"):
        raise ModelError(f"{pooling}: expected pooling_mode_mean_tokens, found another; use another encoder")
    modules = folder / "modules.json"
    if not modules.is_file():
        return
    try:
        types = [str(module["type"]) for module in parse_json(modules.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{modules}: expected a list of modules with their types, found {to_one_line(error, 200)}"
        ) from error
    known = ("Transformer", "Pooling", "Normalize")
    if other := [kind for kind in types if not kind.endswith(known)]:
        raise ModelError(f"{modules}: expected {', '.join(known)}, found {other[0]}; use another encoder")


FAMILIES: dict[str, Callable[[NeuralMetric, Checkpoint, str], SentenceScorer]] = {
    "comet": _load_comet,
    "xcomet": _load_comet,
    "metricx": _load_metricx,
    "similarity": _load_similarity,
    "chat": _open_judge,
}
"""Family -> what loads its models."""

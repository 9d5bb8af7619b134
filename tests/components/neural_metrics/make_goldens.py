"""Scores of unbabel-comet 2.2.7, MetricX-24's published code and bert-score 0.3.13 at tiny made-up weights.

They need old libraries, so this is run in an environment of its own, once; the tests read what it wrote:

    python3.11 -m venv ENV; ENV/bin/pip install unbabel-comet==2.2.7 bert-score==0.3.13 'setuptools<80'
    git clone https://github.com/google-research/metricx
    cd tests/components/neural_metrics; PYTHONPATH=.:METRICX ENV/bin/python make_goldens.py

The folder ``goldens`` gets tokenizers, the names and shapes of each model's tensors, and the scores.
"""

from __future__ import annotations

import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import recipe
import sentencepiece
import torch
import yaml
from comet.models import load_from_checkpoint, str2model
from transformers import (
    BertConfig,
    BertModel,
    MT5Config,
    T5TokenizerFast,
    XLMRobertaConfig,
    XLMRobertaTokenizerFast,
    XLMRobertaXLConfig,
)

OUT = Path(__file__).parent / recipe.GOLDENS
CONFIGS = {"XLM-RoBERTa": XLMRobertaConfig, "XLM-RoBERTa-XL": XLMRobertaXLConfig}


def main() -> None:
    """Write every golden."""
    OUT.mkdir(exist_ok=True)
    vocabulary = make_tokenizers()
    goldens: dict[str, Any] = {}
    for name, hparams in recipe.COMETS.items():
        goldens[name] = score_comet(hparams, vocabulary)
    goldens["metricx"] = score_metricx()
    goldens["bertscore"] = score_bertscore(vocabulary)
    (OUT / "scores.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")


def make_tokenizers() -> int:
    """Train one vocabulary, as XLM-R's tokenizer and as mT5's; returns XLM-R's size."""
    texts = [text for row in recipe.SENTENCES for text in row if text] * 3
    with tempfile.TemporaryDirectory() as folder:
        model, rules = f"{folder}/sp", Path(folder) / "rules.tsv"
        rules.write_text("FB01\t66 69\nA0\t20\nFF01\t21\n")  # a few of NFKC's, whose table has 240 KB
        common = {"sentence_iterator": None, "hard_vocab_limit": False, "vocab_size": 150}
        common |= {
            "normalization_rule_tsv": str(rules),
            "character_coverage": 1.0,
            "model_type": "unigram",
            "minloglevel": 2,
        }
        sentencepiece.SentencePieceTrainer.train(
            **{**common, "sentence_iterator": iter(texts), "model_prefix": model}
        )
        xlmr = XLMRobertaTokenizerFast(vocab_file=f"{model}.model")
        xlmr.save_pretrained(OUT / "xlmr")
        sentencepiece.SentencePieceTrainer.train(
            **{**common, "sentence_iterator": iter(texts), "model_prefix": model},
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        )  # fmt: skip
        T5TokenizerFast(vocab_file=f"{model}.model", extra_ids=0).save_pretrained(OUT / "mt5")
    for path in (*OUT.glob("*/*.model"), *OUT.glob("*/special_tokens_map.json")):
        path.unlink()
    return len(xlmr)


def score_comet(hparams: dict[str, Any], vocabulary: int) -> dict[str, Any]:
    """Build a checkpoint as Unbabel's, load and run it as its users do."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        XLMRobertaTokenizerFast.from_pretrained(OUT / "xlmr").save_pretrained(base)
        encoder = CONFIGS[hparams["encoder_model"]](vocab_size=vocabulary, pad_token_id=1, **recipe.ENCODER)
        encoder.save_pretrained(base)
        own = {k: v for k, v in hparams.items() if k != "class_identifier"}
        transformation = own["layer_transformation"]
        if transformation == "sparsemax_patch":
            own["layer_transformation"] = "softmax"
        if hparams["class_identifier"] == "xcomet_metric":
            own["cross_entropy_weights"] = [0.08, 0.486, 0.505, 0.533]
        model = str2model[hparams["class_identifier"]](
            pretrained_model=str(base), load_pretrained_weights=False, **own
        )
        shapes = {n: list(t.shape) for n, t in model.state_dict().items() if t.is_floating_point()}
        tensors = {n: torch.tensor(w) for n, w in recipe.weights_of(shapes).items()}
        state = {**model.state_dict(), **tensors}
        checkpoint = Path(folder) / "model" / "checkpoints" / "model.ckpt"
        checkpoint.parent.mkdir(parents=True)
        hyper = {**model.hparams}
        torch.save(
            {"state_dict": state, "hyper_parameters": hyper, "pytorch-lightning_version": "1.8"}, checkpoint
        )
        written = {**hparams, "pretrained_model": str(base)}
        (checkpoint.parents[1] / "hparams.yaml").write_text(yaml.safe_dump(written))
        loaded = load_from_checkpoint(str(checkpoint), local_files_only=True).eval()
        loaded.encoder.model.config._attn_implementation = "eager"
        golden: dict[str, Any] = {"shapes": shapes}
        columns = {"src": 0, "mt": 1, "ref": 2}
        for fields in (("src", "mt", "ref"), ("src", "mt")):
            rows = [{name: row[columns[name]] for name in fields} for row in recipe.SENTENCES]
            if "ref" not in fields and hparams["class_identifier"] == "regression_metric":
                continue
            golden["+".join(fields)] = [predict(loaded, [row]) for row in rows]
    return golden


def predict(model: Any, rows: list[dict[str, str]]) -> dict[str, Any]:
    """Score and, where there are any, error spans of one sentence."""
    with torch.no_grad():
        batch = model.prepare_sample(rows, stage="predict")
        output = model.predict_step(batch)
    entry: dict[str, Any] = {"score": output.scores[0].item()}
    if "metadata" in output and "error_spans" in output.metadata:
        entry["spans"] = output.metadata.error_spans[0]
    return entry


def score_metricx() -> dict[str, Any]:
    """Run the model class and the input of MetricX-24's predict.py; its class alone needs no data set."""
    sys.modules.setdefault("datasets", types.ModuleType("datasets"))
    from metricx24 import models

    tokenizer = T5TokenizerFast.from_pretrained(OUT / "mt5")
    # Off: with newer transformers than its requirements, the class mixes up the caches of both attentions.
    model = models.MT5ForRegression(MT5Config(**recipe.MT5, use_cache=False)).eval()
    shapes = {n: list(t.shape) for n, t in model.state_dict().items() if "embed_tokens" not in n}
    tensors = {n: torch.tensor(w) for n, w in recipe.weights_of(shapes).items()}
    tensors |= {f"{side}.embed_tokens.weight": tensors["shared.weight"] for side in ("encoder", "decoder")}
    tensors["lm_head.weight"] = tensors["lm_head.weight"] * 12  # so that most scores lie between the clamps
    model.load_state_dict(tensors)
    golden: dict[str, Any] = {"shapes": shapes}
    for name in ("src+mt+ref", "src+mt"):
        golden[name] = []
        for source, hypothesis, reference in recipe.SENTENCES:
            text = "source: " + source + " candidate: " + hypothesis
            text += " reference: " + reference if "ref" in name else ""
            ids = tokenizer(text, max_length=64, truncation=True, padding=False).input_ids[:-1]
            with torch.no_grad():
                ids_tensor = torch.tensor([ids])
                output = model(input_ids=ids_tensor, attention_mask=torch.ones_like(ids_tensor))
            golden[name].append({"score": output.predictions[0].item()})
    return golden


def score_bertscore(vocabulary: int) -> dict[str, Any]:
    """Run bert-score's own greedy matching (idf off, no rescaling) on layer 2 of a tiny BERT."""
    from collections import defaultdict

    from bert_score.utils import bert_cos_score_idf

    tokenizer = XLMRobertaTokenizerFast.from_pretrained(OUT / "xlmr")
    config = BertConfig(vocab_size=vocabulary, pad_token_id=1, **recipe.ENCODER)
    model = BertModel(config, add_pooling_layer=False).eval()
    shapes = {n: list(t.shape) for n, t in model.state_dict().items() if t.is_floating_point()}
    model.load_state_dict({n: torch.tensor(w) for n, w in recipe.weights_of(shapes).items()}, strict=False)
    rows = [row for row in recipe.SENTENCES if row[1]]
    weights: dict[int, float] = defaultdict(lambda: 1.0)
    weights[tokenizer.sep_token_id] = weights[tokenizer.cls_token_id] = 0
    tokenizer.model_max_length = 62
    model.encoder.layer = torch.nn.ModuleList(model.encoder.layer[:2])
    scores = bert_cos_score_idf(
        model, [row[2] for row in rows], [row[1] for row in rows], tokenizer, weights, device="cpu"
    )  # fmt: skip
    return {"shapes": shapes, "f1": [row[2].item() for row in scores]}


if __name__ == "__main__":
    main()

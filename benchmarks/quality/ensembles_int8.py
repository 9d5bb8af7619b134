"""An ensemble in int8 against the same in float32, and learned coefficients, on Multi30k:
``python -m benchmarks.quality ensembles-int8 FOLDER FOLDER... [--sentences N]``.

The folders hold Marian models of one vocabulary (different seeds). BLEU is sacreBLEU's, with a paired
bootstrap of the difference; coefficients are learned on validation sentences and judged by cross-validation.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import sacrebleu
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from benchmarks.common.paths import SHARED
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import digest_of
from components.decoding.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from components.ensembling.token_level.learning.coefficients import cross_validate, fit_constants, fit_gate
from components.ensembling.token_level.learning.reference_log_probs import (
    ReferenceLogProbs,
    collect_log_probs,
    concatenate,
)
from components.kernels import Arithmetic

OUT = Path("docs/results/ensembles-int8.md")
BATCH = 16


def read_lines(split: str, language: str, n: int) -> list[str]:
    path = SHARED / "data" / "multi30k" / f"{split}.{language}"
    return path.read_text(encoding="utf-8").split("\n")[:n]


def load_models(folders: list[Path], tokenizer: Any, arithmetic: Arithmetic) -> list[Seq2SeqModel]:
    digest = digest_of(tokenizer.get_vocab())
    models = [AutoModelForSeq2SeqLM.from_pretrained(folder) for folder in folders]
    return [Seq2SeqModel(model, digest, f"seed {n + 1}", arithmetic) for n, model in enumerate(models)]


def make_batches(tokenizer: Any, texts: list[str]) -> list[tuple[list[int], dict[str, torch.Tensor]]]:
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    parts = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    return [
        (part, dict(tokenizer([texts[i] for i in part], return_tensors="pt", padding=True))) for part in parts
    ]


def translate(models: list[Seq2SeqModel], tokenizer: Any, texts: list[str], combine: Combiner) -> list[str]:
    translations = [""] * len(texts)
    rules = logits_processors_of(models[0].model)
    for part, inputs in make_batches(tokenizer, texts):
        members = [model.build_scorer(**inputs) for model in models]
        nbests = search(
            members, SearchConfig(beam_size=5, max_new_tokens=100), logits_processors=rules, combiner=combine
        )
        for i, candidates in zip(part, nbests, strict=True):
            translations[i] = tokenizer.decode(list(candidates[0].tokens), skip_special_tokens=True)
    return translations


def collect_development(models: list[Seq2SeqModel], tokenizer: Any, n: int) -> ReferenceLogProbs:
    sources, targets = read_lines("val", "en", n), read_lines("val", "de", n)
    ids = tokenizer(text_target=targets).input_ids
    return concatenate(
        [
            collect_log_probs([m.build_scorer(**inputs) for m in models], [ids[i] for i in part])
            for part, inputs in make_batches(tokenizer, sources)
        ]
    )


def difference_interval(
    baseline: list[str], other: list[str], references: list[str], draws: int = 500
) -> tuple[float, float]:
    """95% interval of BLEU(other) - BLEU(one) by paired bootstrap over sentences."""
    metric = sacrebleu.BLEU()
    stats = [
        torch.tensor(metric._extract_corpus_statistics(h, [references])).double() for h in (baseline, other)
    ]
    generator = torch.Generator().manual_seed(0)
    gains = []
    for _ in range(draws):
        pick = torch.randint(len(baseline), (len(baseline),), generator=generator)
        scores = [metric._compute_score_from_stats(s[pick].sum(0).long().tolist()).score for s in stats]
        gains.append(scores[1] - scores[0])
    low, high = torch.tensor(gains).quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality ensembles-int8")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--development", type=int, default=100)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(options.folders[0])
    m, n = len(options.folders), options.sentences
    sources, references = read_lines("test_2016_flickr", "en", n), read_lines("test_2016_flickr", "de", n)
    even = LinearInterpolation([1 / m] * m)
    text = [
        "# Ensembles: int8, and learned coefficients",
        "",
        f"`python -m benchmarks.quality ensembles-int8` on {m} models of one vocabulary, "
        f"test_2016_flickr en-de, {len(sources)} of 1,000 sentences, beam 5, uniform linear interpolation.",
        "",
        "| system | BLEU | CPU s | difference to float32, 95% |",
        "|---|---|---|---|",
    ]
    first: list[str] = []
    arithmetics: tuple[Arithmetic, ...] = ("float32", "int8")
    for arithmetic in arithmetics:
        models, begin = load_models(options.folders, tokenizer, arithmetic), time.thread_time()
        outputs = translate(models, tokenizer, sources, even)
        seconds, bleu = time.thread_time() - begin, sacrebleu.corpus_bleu(outputs, [references]).score
        apart = (
            "" if not first else "{:+.2f} to {:+.2f}".format(*difference_interval(first, outputs, references))
        )
        same = (
            ""
            if not first
            else f" ({sum(a == b for a, b in zip(first, outputs, strict=True))} outputs equal)"
        )
        text.append(f"| {m} members, {arithmetic} | {bleu:.2f} | {seconds:.0f} | {apart}{same} |")
        first = first or outputs
    text += [
        "",
        *coefficient_table(
            load_models(options.folders, tokenizer, "float32"), tokenizer, options.development
        ),
        "",
    ]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))


def coefficient_table(models: list[Seq2SeqModel], tokenizer: Any, n: int) -> list[str]:
    data = collect_development(models, tokenizer, n)
    fits = {
        "linear constants": lambda part: fit_constants(part, "linear"),
        "log-linear constants": lambda part: fit_constants(part, "log_linear"),
        "linear gate": lambda part: fit_gate(part, "linear"),
        "linear gate, top 1": lambda part: fit_gate(part, "linear", top_k=1),
    }
    rows = [
        f"Coefficients on {data.n_sentences} validation sentences "
        f"({data.token_log_probs.shape[1]} tokens): nats per token on the sentences learned from, and nats "
        "per sentence gained over uniform on sentences "
        "held out (5 folds, mean and 95% interval of the mean).",
        "",
        "| coefficients | uniform | learned | held-out gain per sentence | weights |",
        "|---|---|---|---|---|",
    ]
    for name, fit in fits.items():
        fitted, validation = fit(data), cross_validate(data, fit)
        gains = torch.tensor(validation.learned) - torch.tensor(validation.uniform)
        half = 1.96 * float(gains.std()) / len(gains) ** 0.5
        weights = ", ".join(f"{w:.2f}" for w in fitted.weights)
        rows.append(
            f"| {name} | {fitted.uniform:.4f} | {fitted.learned:.4f} | {validation.gain:+.3f} "
            f"({validation.gain - half:+.3f} to {validation.gain + half:+.3f}) | {weights} |"
        )
    return rows

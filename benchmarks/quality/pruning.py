"""What pruning costs a real translation model in BLEU, and which of its products are then sparse.

Nothing is trained after the pruning. Dev BLEU is what :func:`components.pruning.prune.prune` decides by;
the table is of the test set, translated by our decoder with the products that ``prune`` chose.
"""

# ruff: noqa: E501 - the prose of the report
from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_interval, format_p_value
from components import data
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import digest_of
from components.metrics.significance import translation_tests
from components.metrics.translation import translation_scores
from components.models import resolve
from components.models.loading import load_transformers
from components.pruning.masks import Pattern
from components.pruning.prune import PruningSummary, prune
from components.records import NBest, Utterance
from components.training import parallel_data, validation
from components.translation.config import TranslationConfig
from components.translation.search_settings import search_config_of
from components.translation.seq2seq import Seq2SeqBackend
from components.translation.translator import Translator

OUT = RESULTS / "pruning.md"
BEAM, BATCH = 5, 64
DENSE = "dense"
VARIANTS: dict[str, tuple[Pattern, float]] = {
    "2:4": ("2:4", 0.5),
    **{f"block, {keep:.0%} kept": ("block", keep) for keep in (0.9, 0.75, 0.5, 0.25)},
    **{f"single, {keep:.0%} kept": ("single", keep) for keep in (0.75, 0.5, 0.25, 0.1)},
}


def prune_and_translate(
    model: str, variant: str, judged: Sequence[parallel_data.Pair], test_set: list[Utterance]
) -> tuple[PruningSummary | None, dict[str, str]]:
    """What pruning did, and the test translations by utterance id."""
    checkpoint = resolve(model)
    loaded, tokenizer = load_transformers(checkpoint, "seq2seq")
    pruned = None
    if variant != DENSE:
        pattern, keep = VARIANTS[variant]
        pruned = prune(
            loaded,
            pattern,
            lambda: validation.dev_bleu(loaded, tokenizer, judged),
            keep=keep,
            tolerance=math.inf,
            rows=BATCH * BEAM,
        )
    ready = Seq2SeqModel(loaded, digest_of(tokenizer.get_vocab()), variant, "float32")
    engine = Seq2SeqBackend(
        ready, tokenizer, search_config_of(TranslationConfig(model=model, beam_size=BEAM))
    )
    translator = Translator(engine, checkpoint, n_best=1, batch_size=BATCH)
    texts = {o.utterance_id: o.best.text for o in translator.translate(test_set) if isinstance(o, NBest)}
    return pruned, texts


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality pruning", description=__doc__)
    parser.add_argument("--model", default="packaged:multi30k-en-de")
    parser.add_argument("--dev", default="multi30k:val")
    parser.add_argument("--test", default="multi30k:test_2016_flickr")
    parser.add_argument("--limit", type=int, help="test sentences at most")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    judged, _ = parallel_data.read_pairs(options.dev, ("en", "de"), 200)
    test_set = list(data.load(options.test, target_language="de", limit=options.limit).utterances)
    references = {u.id: u.references for u in test_set}
    summaries, systems = {}, {}
    for name in (DENSE, *options.variants):
        summaries[name], systems[name] = prune_and_translate(options.model, name, judged, test_set)
        print(name, summaries[name], flush=True)
    tests = {
        t.system: t for t in translation_tests(references, systems, DENSE, language="de", names=["bleu"])
    }
    rows = []
    for name, texts in systems.items():
        bleu = translation_scores(references, texts, language="de", n_total=len(test_set))["bleu"]
        cells = [f"{bleu.value:.1f}{format_interval(bleu.interval, ' ({:.1f}–{:.1f})')}", "–", "–", "–"]
        if (summary := summaries[name]) is not None:
            test = tests[name]
            layouts = ", ".join(f"{count} {layout}" for layout, count in summary.layouts.items())
            interval = format_interval(test.interval, " [{:+.1f}, {:+.1f}]")
            cells[1:] = [f"{test.difference:+.1f}{interval} p {format_p_value(test.p_holm)}"]
            cells += [f"{summary.before:.1f} → {summary.after:.1f}", layouts]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    lines = [
        "# Pruning a translation model",
        "",
        f"`python -m benchmarks.quality pruning{' --limit ' + str(options.limit) if options.limit else ''}`: "
        f"`{options.model}`, all its linear layers but the tied output pruned by magnitude, nothing trained "
        f"afterwards, {options.test.removeprefix('multi30k:')} with beam {BEAM}. Development BLEU: greedy, 200 "
        "sentences. Products: for each layer what was measured to be faster, a sparse product or a dense one "
        "whose weights are laid out in advance (speed-experts.md has the times).",
        "",
        "| weights | BLEU (95%) | difference (paired bootstrap, Holm) | dev BLEU | products |",
        "|---" * 5 + "|",
        *rows,
        "",
        f"Signature: `{bleu.signature}`, {bleu.n} of {bleu.n_total} sentences.",
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))

"""What pruning costs a real translation model in BLEU, and which of its products are then sparse.

Nothing is trained after the pruning. Dev BLEU is what :func:`components.pruning.prune.prune` decides by;
the table is of the test set, translated by our decoder with the products that ``prune`` chose.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.common.sections import Result, section_parser
from benchmarks.pages.translation import DENSE
from components import data
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import digest_of
from components.metrics.statistics.significance import compare_texts
from components.metrics.translation_quality.translation import translation_scores
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.pruning.prune import PruningSummary, prune
from components.records import NBest, Utterance
from components.training.examples import parallel_data
from components.training.loop import validation
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import TranslationConfig
from components.translation.search_settings import search_config_of
from components.translation.translator import Translator

PAGE = "pruning"
BEAM, BATCH, JUDGED = 5, 64, 200
VARIANTS: dict[str, tuple[str, float]] = {
    "2:4": ("2:4", 0.5),
    **{f"block, {keep:.0%} kept": ("block", keep) for keep in (0.9, 0.75, 0.5, 0.25)},
    **{f"single, {keep:.0%} kept": ("single", keep) for keep in (0.75, 0.5, 0.25, 0.1)},
}


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.quality pruning", __doc__)
    section.add_argument("--model", default="packaged:multi30k-en-de")
    section.add_argument("--dev", default="multi30k:val")
    section.add_argument("--test", default="multi30k:test_2016_flickr")
    section.add_argument("--limit", type=int, help="test sentences at most")
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Scores and texts of the dense model and of every variant."""
    torch.set_num_threads(1)
    judged, _ = parallel_data.read_pairs(options.dev, ("en", "de"), JUDGED)
    test_set = list(data.load(options.test, target_language="de", limit=options.limit).utterances)
    summaries, systems = {}, {}
    for name in (DENSE, *VARIANTS):
        summaries[name], systems[name] = prune_and_translate(options.model, name, judged, test_set)
        print(name, summaries[name], flush=True)
    references = {u.id: u.references for u in test_set}
    tests = compare_texts(references, systems, DENSE, language="de", names=["bleu"])
    scores = {
        name: translation_scores(references, texts, language="de", n_total=len(test_set))["bleu"]
        for name, texts in systems.items()
    }
    rows: dict[str, dict[str, Any]] = {
        name: {"bleu": score.value, "interval": score.interval} for name, score in scores.items()
    }
    for test in tests:
        interval = {"difference_interval": test.interval, "p_holm": test.p_holm}
        rows[test.system] |= {"difference": test.difference, **interval, **_summary(summaries[test.system])}
    dense = scores[DENSE]
    setup = {
        **{"model": options.model, "test": options.test.removeprefix("multi30k:"), "beam": BEAM},
        **{"judged": len(judged), "n": dense.n, "n_total": dense.n_total, "signature": dense.signature},
    }
    yield Result("scores", {**setup, "systems": rows, "texts": systems}, [options.model])


def _summary(summary: PruningSummary | None) -> dict[str, Any]:
    assert summary is not None
    return {"dev_before": summary.before, "dev_after": summary.after, "layouts": dict(summary.layouts)}


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

"""Decoding once, scoring often: what the sections of ``benchmarks.quality.merging.report`` share."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.common.tables import format_interval, format_p_value
from components.data import load
from components.ensembling.token_level.config import MixingConfig
from components.ensembling.token_level.factory import build_translator as build_ensemble
from components.merging.merge import merge
from components.merging.recipe.recipe import Recipe
from components.metrics.corpus_statistics import translation_statistics
from components.metrics.significance import Difference, translation_tests
from components.models import resolve
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build

TEST, SHIFT, DEV = "multi30k:test_2016_flickr", "multi30k:test_2017_mscoco", "multi30k:val"
FEW = 200
"""Development sentences by which scales and soups are chosen."""
Texts = dict[str, str]


class Evaluator:
    """Decodes once, scores often."""

    def __init__(self, work: Path, beam: int, limit: int | None) -> None:
        self.work, self.beam, self.limit = work, beam, limit
        self.seconds: dict[str, float] = {}

    def utterances(self, data: str, limit: int | None, languages: tuple[str, str]) -> Sequence[Utterance]:
        loaded = load(data, source_language=languages[0], target_language=languages[1]).utterances
        return loaded[: min(limit or len(loaded), self.limit or len(loaded))]

    def decode(
        self, name: str, models: Sequence[str], data: str, limit: int | None, languages: tuple[str, str]
    ) -> Texts:
        """Translations by id of one model, or of an ensemble of several (linear, equal shares)."""
        cache_file = (
            self.work
            / "decoded"
            / f"{name}.{Path(data).name.replace(':', '-')}.{self.beam}.{limit}.{self.limit}.json"
        )
        if not cache_file.exists():
            config = TranslationConfig(
                model=models[0], beam_size=self.beam, n_best=1, batch_size=64, device="cpu"
            )
            alone = len(models) == 1
            machine = build(config) if alone else build_ensemble(config, models, MixingConfig())
            began = time.process_time()
            outcomes = machine.translate(as_declared(self.utterances(data, limit, languages), models[0]))
            texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
            cache_file.parent.mkdir(parents=True, exist_ok=True)
            cache_file.write_text(json.dumps({"texts": texts, "seconds": time.process_time() - began}))
            print(name, data, len(texts), flush=True)
        decoded = json.loads(cache_file.read_text())
        self.seconds[name] = self.seconds.get(name, 0.0) + decoded["seconds"]
        return dict(decoded["texts"])

    def compare(
        self,
        systems: Mapping[str, Sequence[str]],
        baseline: str,
        data: str,
        limit: int | None = None,
        languages: tuple[str, str] = ("en", "de"),
    ) -> list[Difference]:
        """Every system against the baseline in BLEU."""
        texts = {name: self.decode(name, models, data, limit, languages) for name, models in systems.items()}
        references = {u.id: u.references for u in self.utterances(data, limit, languages)}
        return translation_tests(references, texts, baseline, language=languages[1], names=("bleu",))

    def bleu(self, name: str, model: str, data: str, languages: tuple[str, str] = ("en", "de")) -> float:
        """BLEU on the first development sentences: for choosing."""
        texts = self.decode(name, [model], data, FEW, languages)
        references = {u.id: u.references for u in self.utterances(data, FEW, languages)}
        options = {"language": languages[1], "n_total": len(references), "names": ("bleu",)}
        return translation_statistics(references, texts, **options)["bleu"].score()

    def merge_cached(self, name: str, recipe: Recipe) -> str:
        """A merged model, made once."""
        out = self.work / "merged" / name
        if not out.exists():
            merge(recipe, out)
        return str(out)


def rows(tests: Sequence[Difference], bench: Evaluator) -> Iterator[str]:
    """A table of systems against their baseline, which is the first row."""
    first = tests[0]
    yield "| system | BLEU | difference | 95% interval | p (Holm) | decoding, CPU s |"
    yield "|---|---|---|---|---|---|"
    cost = bench.seconds.get(first.baseline, 0)
    yield f"| {first.baseline} | {first.baseline_value:.2f} | baseline | | | {cost:.0f} |"
    for d in tests:
        interval = format_interval(d.interval, "{:+.2f} to {:+.2f}")
        yield (
            f"| {d.system} | {d.value:.2f} | {d.difference:+.2f} | {interval} | "
            f"{format_p_value(d.p_holm)} | {bench.seconds.get(d.system, 0):.0f} |"
        )
    yield ""
    yield f"{first.n} of {first.n_total} utterances; {first.signature}"
    yield ""


def as_declared(utterances: Sequence[Utterance], model: str) -> list[Utterance]:
    """The utterances under the languages that the model's tokenizer declares.

    A model merged from both directions has the tokenizer of its base, which would refuse the other one.
    """
    config = json.loads((Path(resolve(model).path) / "tokenizer_config.json").read_text(encoding="utf-8"))
    declared = {"source_language": config["source_lang"], "target_language": config["target_lang"]}
    return [utterance.model_copy(update=declared) for utterance in utterances]

"""First pass against refinement: deliberation, edit diffusion by step, self-refine by round and gate.

Models are trained by ``antiphon run train --set kind=deliberation`` (and ``edit_diffusion``); how tags are
chosen is selected on val. What a part measured is kept in ``--work`` and used again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.comparison_table import ComparisonTable, Texts, TimedTexts
from benchmarks.common.paths import RESULTS
from components import data
from components.decoding.models.edit_diffusion import TAG_CHOICES
from components.metrics.translation import translation_scores
from components.networks.noising import Corruption, EditNoiser
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build as recognizer
from components.records import Hypothesis, NBest, Utterance
from components.refining.config import RefineConfig
from components.refining.rounds import Refiner
from components.translation.config import TranslationConfig
from components.translation.factory import build, load_resident

OUT = RESULTS / "refinement.md"
FIRST = "packaged:multi30k-en-de"


def load_utterances(source: str, limit: int | None = None) -> list[Utterance]:
    """English text or speech with German references."""
    utterances = data.load(source, source_language="en", target_language="de", limit=limit).utterances
    return [u.model_copy(update={"target_language": "de"}) for u in utterances]


def transcribe(utterances: Sequence[Utterance]) -> list[Utterance]:
    """What Whisper base makes of speech, as text to translate."""
    config = RecognitionConfig(model="packaged:whisper-base", beam_size=1, n_best=1, device="cpu")
    outcomes = recognizer(config).recognize(list(utterances))
    texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    return [u.model_copy(update={"text": texts[u.id]}) for u in utterances if u.id in texts]


def translate(model: str, utterances: Sequence[Utterance], store: str | None) -> TimedTexts:
    """One translation each by beam search."""
    begun = time.process_time(), time.perf_counter()
    config = TranslationConfig(model=model, beam_size=5, n_best=1, batch_size=64, device="cpu")
    outcomes = build(config, store).translate(utterances)
    texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    return texts, *_seconds_since(begun)


def _seconds_since(begun: tuple[float, float]) -> tuple[float, float]:
    return time.process_time() - begun[0], time.perf_counter() - begun[1]


def run_rounds(
    config: RefineConfig,
    utterances: Sequence[Utterance],
    drafts: Texts,
    count: int,
    store: str | None,
    choose: str = "",
) -> list[TimedTexts]:
    """The texts after each of ``count`` rounds, and what each round cost."""
    refiner = Refiner(config, store)
    if choose:
        refiner.proposer.ready.choose = TAG_CHOICES[choose]  # type: ignore[union-attr]
    history = [[_draft(u, drafts[u.id])] for u in utterances]
    results = []
    for left in range(count, 0, -1):
        begun = time.process_time(), time.perf_counter()
        outcomes = refiner.run_round(utterances, history, left)
        for past, outcome in zip(history, outcomes, strict=True):
            assert isinstance(outcome, NBest)
            past.append(outcome)
        texts = {past[-1].utterance_id: past[-1].best.text for past in history}
        results.append((texts, *_seconds_since(begun)))
    return results


def _draft(utterance: Utterance, text: str) -> NBest:
    draft = Hypothesis(text=text, score=0.0, n_tokens=0, system="draft")
    return NBest(utterance_id=utterance.id, hypotheses=(draft,))


def noise_of(model: str, drafts: Texts, store: str | None) -> Texts:
    """As many random tokens as each draft has, from the unigram distribution of the model's training."""
    _, ready, tokenizer = load_resident(model, TranslationConfig(model=model, device="cpu"), store)
    noise = EditNoiser(Corruption(), ready.network.unigrams.tolist())  # type: ignore[union-attr]
    draw = np.random.default_rng(0)
    lengths = {name: len(tokenizer(text_target=text).input_ids) - 1 for name, text in drafts.items()}
    return {name: tokenizer.decode(list(noise.draw_tokens(n, draw))) for name, n in lengths.items()}


def measure_networks(table: ComparisonTable, options: Any, choose: str) -> None:
    """First pass, deliberation and edit diffusion on one test set."""
    store, sources = options.store, table.utterances
    [(drafts, *_)] = table.add(["first pass"], lambda: [translate(FIRST, sources, store)])
    if options.deliberation:
        model = options.deliberation
        table.add(["deliberation"], lambda: [translate(model, sources, store)])
        config = RefineConfig(method="deliberation", model=model, gate="off", device="cpu")
        table.add(
            ["deliberation, reading the first pass"], lambda: run_rounds(config, sources, drafts, 1, store)
        )
    if options.diffusion:
        model = options.diffusion
        config = RefineConfig(method="diffusion", model=model, gate="off", device="cpu", batch_size=64)
        starts = {
            "nothing": lambda: dict.fromkeys(drafts, ""),
            "noise": lambda: noise_of(model, drafts, store),
        }
        starts["the first pass"] = lambda: drafts
        for start, make in starts.items():
            count = 2 if start == "the first pass" else 4
            names = [f"diffusion from {start}, step {n} of {count}" for n in range(1, count + 1)]
            table.add(names, lambda: run_rounds(config, sources, make(), count, store, choose))  # noqa: B023


def choose_tags(options: Any) -> str:
    """The choice of tags that gives the better BLEU on val, two steps from the first pass."""
    table = ComparisonTable("val", load_utterances("multi30k:val", 200), options.work)
    [(drafts, *_)] = table.add(["first pass"], lambda: [translate(FIRST, table.utterances, options.store)])
    config = RefineConfig(
        method="diffusion", model=options.diffusion, gate="off", device="cpu", batch_size=64
    )
    best: dict[str, float] = {}
    for name in TAG_CHOICES:
        names = [f"{name}, step {n}" for n in (1, 2)]
        sources = table.utterances
        results = table.add(names, lambda: run_rounds(config, sources, drafts, 2, options.store, name))  # noqa: B023
        score = translation_scores(table.references, results[-1][0], language="de", n_total=len(drafts))
        best[name] = score["bleu"].value
    return max(best, key=lambda name: best[name])


def measure_self_refine(table: ComparisonTable, options: Any, first: str) -> None:
    """Two rounds of few-shot post-editing by a causal LM, accepted always or by a gate."""
    store, sources = options.store, table.utterances
    [(drafts, *_)] = table.add(["first pass"], lambda: [translate(first, sources, store)])
    # A gate is of another kind than what it judges: back-translation, another translator, the references.
    judges = {"off": FIRST, "round_trip": options.language_model, "forward": FIRST, "reference_chrf": FIRST}
    for gate, judge in judges.items():
        if gate not in options.gates or (gate == "forward" and first == judge):
            continue  # a beam's best already maximises its own model's estimate
        config = RefineConfig(
            model=options.language_model,
            gate=gate,
            gate_model=judge,
            feedback=False,
            device="cpu",
            max_tokens=48,
        )
        names = [f"self-refine, gate {gate}, round {n}" for n in (1, 2)]
        table.add(names, lambda: run_rounds(config, sources, drafts, 2, store))  # noqa: B023


def plot(table: ComparisonTable, path: Path) -> None:
    """BLEU per step of the diffusion, from each start."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for start in ("nothing", "noise", "the first pass"):
        outputs = [
            texts for name, (texts, *_) in table.systems.items() if name.startswith(f"diffusion from {start}")
        ]
        values = [
            translation_scores(table.references, t, language="de", n_total=len(table.references))[
                "bleu"
            ].value
            for t in outputs
        ]
        axes.plot(range(1, len(values) + 1), values, marker="o", label=f"from {start}")
    axes.set(xlabel="step", ylabel="BLEU")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def command(options: argparse.Namespace) -> str:
    """What made the page, without the folders of the machine."""
    settings = {"deliberation": options.deliberation, "diffusion": options.diffusion}
    settings |= {
        "spoken": options.spoken and "MANIFEST",
        "limit": options.limit,
        "sentences": options.sentences,
    }
    settings |= {"gates": " ".join(options.gates), "drafts": " ".join(options.drafts)}
    flags = [f"--{name} {value}" for name, value in settings.items() if value is not None]
    return " ".join(["python -m benchmarks.quality refinement", *flags])


def main(arguments: Sequence[str]) -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality refinement", description=__doc__)
    parser.add_argument("--deliberation", help="store:KEY of a model of kind deliberation")
    parser.add_argument("--diffusion", help="store:KEY of a model of kind edit_diffusion")
    parser.add_argument("--spoken", help="manifest of spoken captions, refined after the cascade")
    parser.add_argument("--language-model", default="packaged:qwen2.5-coder-0.5b")
    parser.add_argument("--gates", nargs="*", default=["off", "round_trip", "forward", "reference_chrf"])
    parser.add_argument("--drafts", nargs="*", default=[FIRST], help="first passes of self-refine")
    parser.add_argument("--sentences", type=int, default=100, help="of self-refine; 0 leaves it out")
    parser.add_argument("--limit", type=int, help="sentences of test_2016_flickr")
    parser.add_argument("--note", help="said at the top of the page, such as how the models were trained")
    parser.add_argument("--store")
    parser.add_argument("--work", type=Path, default=Path("refinement-work"))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    choose = choose_tags(options) if options.diffusion else ""
    lines = ["# Refinement: a second look at a first pass", ""]
    lines += [f"`{command(options)}`. Paired bootstrap against the "]
    lines += [
        "first row, Holm-corrected within a table; seconds are of the row alone, wall seconds those of a "
        "shared machine.",
        "",
    ]
    lines += [options.note, ""] if options.note else []
    if choose:
        lines += [f"Tags of edit diffusion are chosen by `{choose}`, selected on 200 sentences of val.", ""]
    sets = {"test_2016_flickr": lambda: load_utterances("multi30k:test_2016_flickr", options.limit)}
    if options.spoken:
        sets["spoken captions, after the cascade"] = lambda: transcribe(load_utterances(options.spoken))
    for title, load in sets.items() if options.deliberation or options.diffusion else ():
        table = ComparisonTable(title, load(), options.work)
        measure_networks(table, options, choose)
        lines += table.to_markdown()
        if options.diffusion:
            picture = options.out.with_name(f"{options.out.stem}-{title.partition(' ')[0]}.png")
            plot(table, picture)
            lines += [f"![BLEU per step]({picture.name})", ""]
    if options.sentences:
        sources = load_utterances("multi30k:test_2016_flickr", options.sentences)
        for first in options.drafts:
            name = first.partition(":")[2]
            table = ComparisonTable(
                f"self-refine by {options.language_model} after {name}", sources, options.work
            )
            measure_self_refine(table, options, first)
            lines += table.to_markdown()
        if "reference_chrf" in options.gates:
            lines += ["`reference_chrf` sees the references: what a perfect gate could gain.", ""]
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))

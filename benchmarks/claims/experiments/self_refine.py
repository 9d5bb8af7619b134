"""E15: self-refine as it is called, with drafts of the same model and its own feedback, at three sizes."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import score_table
from benchmarks.claims.workspace import FLICKR16, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import by_metrics, gain_difference, two_level
from components.claims.systems.refining import Texts, refine
from components.claims.verdict import Measured, Result
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import NBest, Utterance
from components.refining.config import RefineConfig
from components.translation.config import VERSION, TranslationConfig
from components.translation.factory import build

TITLE = "Self-refine at three sizes"
QUESTION = """
Three prompted language models translate 200 captions (few-shot, greedily), name the problems of their own
draft and correct it, once, without a gate. Controls: the correction without feedback, and a draft by a beam
of 3, which costs about as much. Does refinement do harm in the smallest model, and less in the largest?
Nothing is trained, so intervals are over sentences alone; the models differ in more than their size.
"""
MODELS = {
    "SmolLM2 135M": "packaged:smollm2-135m-instruct",
    "Qwen2.5-Coder 0.5B": "packaged:qwen2.5-coder-0.5b",
    "Qwen2.5-Coder 1.5B": "packaged:qwen2.5-coder-1.5b",
}
SENTENCES, LONGEST = 200, 64
FLOOR = 2.0
"""BLEU below which a draft is no translation, so that refinement can neither help nor harm."""
DRAFT, REFINED, CORRECTED, SEARCHED = (
    "draft",
    "refined with feedback",
    "refined without feedback",
    "draft by a beam of 3",
)


def run(work: Workspace, outputs: Outputs) -> None:
    """Draft, refine with and without feedback, search another draft."""
    utterances = work.utterances(FLICKR16, limit=SENTENCES)
    for name, model in MODELS.items():
        drafts = draft(work, utterances, model, beam_size=1)
        systems: dict[str, Texts] = {DRAFT: drafts, SEARCHED: draft(work, utterances, model, beam_size=3)}
        for system, feedback in ((REFINED, True), (CORRECTED, False)):
            config = RefineConfig(
                model=model,
                gate="off",
                feedback=feedback,
                max_tokens=LONGEST,
                device="cpu",
            )
            systems[system] = refine(work, utterances, drafts, config, 1)[0]
        for system, texts in systems.items():
            outputs.add_translations(FLICKR16, utterances, f"{name}, {system}", 0, texts)


def draft(work: Workspace, utterances: Sequence[Utterance], model: str, *, beam_size: int) -> Texts:
    """Few-shot translations, greedy or by a beam."""
    config = TranslationConfig(
        model=model,
        beam_size=beam_size,
        n_best=1,
        max_tokens=LONGEST,
        prompt="few-shot",
        batch_size=16,
        device="cpu",
    )

    def decode() -> Texts:
        outcomes = build(config).translate(utterances)
        texts = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
        return {u.id: texts.get(u.id, "") for u in utterances}

    key = {
        "draft": VERSION,
        "config": config.model_dump(mode="json"),
        "texts": [(u.id, u.target_language, u.text) for u in utterances],
    }
    return dict(work.cached(key, decode))


def _of(outputs: Outputs, model: str, system: str, metric: str) -> list[CorpusStatistics]:
    return [outputs.statistics(FLICKR16, f"{model}, {system}", 0, metric)]


def _gain(outputs: Outputs, model: str, system: str = REFINED, metric: str = "chrf") -> Result:
    arms = (_of(outputs, model, name, metric) for name in (system, DRAFT))
    return two_level(*arms, replicates="model")


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons, and the drafts of the smallest model if they are no translations."""
    smallest, _, largest = MODELS
    metrics = ("chrf", "bleu")

    def trend(metric: str) -> Result:
        large, small = (
            (_of(outputs, model, REFINED, metric), _of(outputs, model, DRAFT, metric))
            for model in (largest, smallest)
        )
        return gain_difference(large, small, replicates="model")

    floor = _of(outputs, smallest, DRAFT, "bleu")[0].score()
    refused = [f"drafts of {smallest} have {floor:.2f} BLEU: nothing to refine"] if floor < FLOOR else []
    return {
        "self_refine.trend": by_metrics(metrics, trend, refused),
        "self_refine.smallest": by_metrics(metrics, lambda m: _gain(outputs, smallest, metric=m), refused),
    }


def page(outputs: Outputs) -> list[str]:
    """Gains over the draft by size, with the share of changed texts, and all scores."""
    texts = {row.system: row.texts for row in outputs.systems}
    rows = []
    for model in MODELS:
        for system in (REFINED, CORRECTED, SEARCHED):
            result = _gain(outputs, model, system)
            pairs = zip(texts[f"{model}, {system}"], texts[f"{model}, {DRAFT}"], strict=True)
            changed = sum(text != own for text, own in pairs)
            low, high = result.interval
            rows.append(
                (model, system, f"{result.difference:+.2f} ({low:+.2f} to {high:+.2f})", str(changed))
            )
    header = ("model", "system", "chrF less the draft's (95%)", f"changed of {len(outputs.ids[FLICKR16])}")
    gains = "## Gain over the draft", markdown_table(header, rows)
    return [*gains, "## Scores", score_table(outputs, FLICKR16)]

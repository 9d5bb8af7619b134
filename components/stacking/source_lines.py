"""What a stacked system reads of an utterance, as lines of ``text``: transcripts, then the draft."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.records import NBest, Utterance
from components.stacking.config import StackConfig


def add_source_lines(
    config: StackConfig, utterance: Utterance, transcripts: NBest | None, drafts: NBest | None
) -> Utterance:
    """The utterance with what the method reads; without transcripts its own text is what was said."""
    most = config.transcripts if config.method == "dual_source" else 1
    lines = [utterance.text or ""] if transcripts is None else _best_texts(transcripts, most)
    if drafts is not None and config.method in ("pre_translation", "pooled"):
        lines += _best_texts(drafts, 1 if config.method == "pre_translation" else None)
    return utterance.model_copy(update={"text": "\n".join(" ".join(line.split()) for line in lines)})


def _best_texts(outcome: NBest, most: int | None) -> list[str]:
    return [hypothesis.text for hypothesis in outcome.hypotheses[:most]]


def stacking_inputs(
    config: StackConfig,
    data: Iterator[Utterance],
    transcripts: Mapping[str, NBest],
    drafts: Mapping[str, NBest] | None,
) -> Iterator[Utterance]:
    """The utterances with their lines; those that an earlier stage put aside are left out."""
    for utterance in data:
        outcome = transcripts.get(utterance.id)
        draft = None if drafts is None else drafts.get(utterance.id)
        if outcome is not None and (drafts is None or draft is not None):
            yield add_source_lines(config, utterance, outcome, draft)

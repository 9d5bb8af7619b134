"""The lines of an utterance's ``text`` that a stacked system reads: transcripts, then draft translations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.records import NBest, Utterance
from components.stacking.config import StackConfig


def add_source_lines(
    config: StackConfig, utterance: Utterance, transcripts: NBest | None, drafts: NBest | None
) -> Utterance:
    """Put what the method reads into an utterance's ``text``, a line each.

    Args:
        config: the method, and how many transcripts it reads.
        utterance: the utterance.
        transcripts: its transcripts; its own text without them.
        drafts: its draft translations, where the method reads any.
    """
    n_transcripts = config.transcripts if config.method in ("dual_source", "prompted") else 1
    lines = [utterance.text or ""] if transcripts is None else _best_texts(transcripts, n_transcripts)
    if drafts is not None and config.method in ("pre_translation", "pooled"):
        lines += _best_texts(drafts, 1 if config.method == "pre_translation" else None)
    return utterance.model_copy(update={"text": "\n".join(" ".join(line.split()) for line in lines)})


def _best_texts(nbest: NBest, limit: int | None) -> list[str]:
    return [hypothesis.text for hypothesis in nbest.hypotheses[:limit]]


def stacking_inputs(
    config: StackConfig,
    data: Iterator[Utterance],
    transcripts: Mapping[str, NBest],
    drafts: Mapping[str, NBest] | None,
) -> Iterator[Utterance]:
    """Yield the utterances with the lines that the method reads; without those quarantined before."""
    for utterance in data:
        transcript = transcripts.get(utterance.id)
        draft = None if drafts is None else drafts.get(utterance.id)
        if transcript is not None and (drafts is None or draft is not None):
            yield add_source_lines(config, utterance, transcript, draft)

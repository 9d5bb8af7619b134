"""Items as nodes get them, for tests of kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.nodes.kind import Kind
from components.nodes.node_context import Item, NodeContext
from components.records import Audio, Hypothesis, NBest, Quarantined, Route, Utterance

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=2.5, sample_rate=16000)


def nbest(key: str, *texts: str, **fields: Any) -> NBest:
    hypotheses = tuple(
        Hypothesis(text=text, score=-1.0 - n, n_tokens=2, system="s", **fields)
        for n, text in enumerate(texts)
    )
    return NBest(utterance_id=key, hypotheses=hypotheses, language="en")


def item(key: str, **inputs: NBest | Route | Quarantined) -> Item:
    """Of a spoken utterance, read as its first text."""
    first = next((each for each in inputs.values() if isinstance(each, NBest)), None)
    spoken = Utterance(id=key, audio=SOUND, text=first.best.text if first else None, source_language="en")
    return Item(utterance=spoken.model_copy(update={"target_language": "en"}), inputs=inputs)


def items(*texts: str) -> list[Item]:
    """``u0``, ``u1``...: what a recognizer ``asr`` gave."""
    return [item(f"u{n}", asr=nbest(f"u{n}", text)) for n, text in enumerate(texts)]


def compute(kind: Kind[Any], values: dict[str, Any], read: Sequence[Item], **context: Any) -> list[Any]:
    """What a node of a kind, written as ``values``, makes of items."""
    settings = kind.settings.model_validate(values)
    where = NodeContext(**{"name": "node", "of": ("asr",), "transcripts": True, **context})
    kind.check(settings, where)
    return list(kind.build(settings, where)(read))


def texts_of(outcomes: Sequence[Any]) -> list[str]:
    """The best text of each, or why there is none."""
    return [one.best.text if isinstance(one, NBest) else f"{one.reason}: {one.detail}" for one in outcomes]

"""What recognizers hear in a data set, kept on disk, so that combining can be tried without hearing again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

CACHE = Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon")) / "benchmarks"


def recognize_cached(
    settings: dict[str, object], utterances: Sequence[Utterance], cache: Path = CACHE
) -> tuple[dict[str, NBest], float]:
    """Utterance id -> n-best list, and the CPU seconds that hearing took when it was done."""
    config = RecognitionConfig.model_validate({"device": "cpu", **settings})
    what = [config.model_dump(mode="json"), [(u.id, u.audio.sha256 if u.audio else "") for u in utterances]]
    path = cache / f"heard-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]}.json"
    if not path.is_file():
        recognizer = build(config)
        recognizer.recognize(utterances[:1])  # what is done once is no part of the cost
        begun = time.process_time()
        outcomes = recognizer.recognize(utterances)
        seconds = time.process_time() - begun
        lists = [o.model_dump(mode="json") for o in outcomes if isinstance(o, NBest)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": seconds, "lists": lists}), encoding="utf-8")
    stored = json.loads(path.read_text(encoding="utf-8"))
    lists_by_id = map(NBest.model_validate, stored["lists"])
    return {nbest.utterance_id: nbest for nbest in lists_by_id}, stored["seconds"]

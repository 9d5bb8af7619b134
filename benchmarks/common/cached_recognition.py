"""What recognizers write about a data set, stored on disk, so that an interrupted benchmark goes on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.manifest import source_digest
from components.models import resolve
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

CACHE = Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon")) / "benchmarks"


def recognize_cached(
    settings: dict[str, object], utterances: Sequence[Utterance], cache: Path = CACHE
) -> tuple[dict[str, NBest], float]:
    """Utterance id -> n-best list, and the CPU seconds that recognition took when it was done.

    Stored by settings, digests of model and audio, and the sources of ``components``.
    """
    config = RecognitionConfig.model_validate({"device": "cpu", **settings})
    digests = [(u.id, u.audio.sha256 if u.audio else "") for u in utterances]
    model = resolve(config.model).sha256

    def recognize() -> dict[str, Any]:
        recognizer = build(config)
        recognizer.recognize(utterances[:1])  # what is done once is no part of the cost
        begun = time.process_time()
        outcomes = recognizer.recognize(utterances)
        seconds = time.process_time() - begun
        lists = [o.model_dump(mode="json") for o in outcomes if isinstance(o, NBest)]
        return {"seconds": seconds, "lists": lists}

    stored = cached("recognized", [config.model_dump(mode="json"), model, digests], recognize, cache)
    lists_by_id = map(NBest.model_validate, stored["lists"])
    return {nbest.utterance_id: nbest for nbest in lists_by_id}, stored["seconds"]


def cached(what: str, key: object, compute: Callable[[], Any], cache: Path = CACHE) -> Any:
    """A JSON value that is computed once for a key and a version of the sources of ``components``."""
    digest = hashlib.sha256(json.dumps([key, source_digest()]).encode()).hexdigest()
    path = cache / f"{what}-{digest[:20]}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(compute()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))

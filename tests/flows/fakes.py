"""Components that need no model: what they say follows from the utterance, so runs can be compared.

Import this module and call :func:`install` before a flow is run; `python tests/flows/fakes.py ARGS` is the
`antiphon` command with these components, for tests that kill it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

if __name__ == "__main__" and "refine" not in sys.argv:
    # A fake uses nothing of what this module imports, three seconds of a processor.
    sys.modules["components.translation.factory"] = SimpleNamespace(Translator=None, build=None)  # type: ignore[assignment]

from components import models
from components.recognition import factory as recognition
from components.records import Checkpoint, Hypothesis, NBest, Outcome, Quarantined, Utterance
from components.refining.judging.decisions import Proposal
from components.translation import factory as translation

CALLS = os.environ.get("FAKE_CALLS")
"""A file to which every call of a component adds a line: stage, first id, number of utterances."""
HOLD = int(os.environ.get("FAKE_HOLD", "0"))
"""The call of the translator in this process that waits until the file CALLS.go is there, from 1."""
EDIT_HOLD = int(os.environ.get("FAKE_EDIT_HOLD", "0"))
"""The same of the editor."""
PADDING = int(os.environ.get("FAKE_PADDING", "0"))
"""Characters added to every output, to fill disks with."""


def _called(stage: str, utterances: Sequence[Utterance]) -> None:
    if CALLS:
        with Path(CALLS).open("a") as file:
            file.write(f"{stage} {utterances[0].id} {len(utterances)}\n")


def _nbest(utterance: Utterance, texts: Sequence[str], system: str) -> Outcome:
    if "poison" in utterance.id:
        return Quarantined(
            utterance_id=utterance.id, stage=system, reason="poison", detail="said so in its id"
        )
    hypotheses = tuple(
        Hypothesis(text=text + "x" * PADDING, score=-1.0 - n, n_tokens=len(text.split()), system=system)
        for n, text in enumerate(texts)
    )
    return NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=utterance.source_language)


class Recognizer:
    version = 1

    def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
        _called("asr", utterances)
        return [_nbest(u, self.hear(u), "asr") for u in utterances]

    def hear(self, utterance: Utterance) -> list[str]:
        """The texts of its list, best first."""
        return [utterance.transcript or f"heard {utterance.id}", "something else"]


class Translator:
    version = 1
    calls = 0

    def translate(self, utterances: Sequence[Utterance], segments: Sequence[object] = ()) -> list[Outcome]:
        _called("mt", utterances)
        Translator.calls += 1
        while Translator.calls == HOLD and not Path(f"{CALLS}.go").exists():
            time.sleep(0.02)
        return [_nbest(u, self.write(u), "mt") for u in utterances]

    def write(self, utterance: Utterance) -> list[str]:
        """The texts of its list, best first."""
        return [f"übersetzt: {utterance.text}", str(utterance.text)]


class Editor:
    """Adds an exclamation mark; what ends in three of them loses one (a 2-cycle)."""

    calls = 0

    def __init__(self, config: object, store: str | None) -> None:
        self.checkpoint = resolve("editor")

    def check(self, item: Utterance) -> None:
        pass

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        _called("refine", items)
        Editor.calls += 1
        while Editor.calls == EDIT_HOLD and not Path(f"{CALLS}.go").exists():
            time.sleep(0.02)
        return [Proposal(d[:-1] if d.endswith("!!!") else d + "!", "too calm", -1.0) for d in drafts]


ARCHITECTURES = {
    "served:": "served",
    "whisper": "WhisperForConditionalGeneration",
    "qwen": "Qwen2ForCausalLM",
    "gemma": "Gemma3ForCausalLM",
    "smollm2": "LlamaForCausalLM",
}


def resolve(reference: str, store: str | None = None) -> Checkpoint:
    sha = hashlib.sha256(reference.encode()).hexdigest()
    kind = next((kind for name, kind in ARCHITECTURES.items() if name in reference), "MarianMTModel")
    return Checkpoint(reference=reference, path="nowhere", sha256=sha, architecture=kind)


def install(monkeypatch: pytest.MonkeyPatch, *, editor: bool = True) -> None:
    """Put the fakes in the place of the real components, until ``monkeypatch`` is undone.

    Without ``editor``, what refines stays, and is not imported, which takes seconds.
    """
    monkeypatch.setattr(models, "resolve", resolve)
    monkeypatch.setattr(models, "check", lambda *_, **__: None)
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: Recognizer())
    monkeypatch.setattr(translation, "Translator", Translator)
    monkeypatch.setattr(translation, "build", lambda *_, **__: Translator())
    if editor:
        from components.refining import methods

        monkeypatch.setitem(methods.METHODS, "self_refine", Editor)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    install(pytest.MonkeyPatch(), editor="refine" in sys.argv)  # for as long as the process lives
    from flows.cli.main import main

    main()

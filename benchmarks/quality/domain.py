"""How well a model tells texts that it was not made for: ``python -m benchmarks.quality domain``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import load_recordings
from benchmarks.quality.non_speech import wilson_interval
from components import data
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig
from components.translation.domain import UNFAMILIAR_FEATURE
from components.translation.factory import build

OUT = RESULTS / "domain.md"
MODEL = "packaged:multi30k-en-de"


def load_sets(tatoeba: str) -> dict[str, list[Utterance]]:
    """English texts by name: unseen captions, then texts of other kinds."""
    captions = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
    texts_by_name = {f"captions, {name}": list(data.load(f"multi30k:{name}").utterances) for name in captions}
    texts_by_name["Tatoeba"] = list(data.load(tatoeba, source_language="en", target_language="de").utterances)
    spoken = [
        utterance
        for utterance in load_recordings()
        if utterance.source_language == "en" and utterance.transcript
    ]
    changed = [{"audio": None, "text": utterance.transcript, "target_language": "de"} for utterance in spoken]
    texts_by_name["transcripts of human recordings"] = [
        utterance.model_copy(update=fields) for utterance, fields in zip(spoken, changed, strict=True)
    ]
    return texts_by_name


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality domain", description=__doc__)
    parser.add_argument("--tatoeba", required=True, help="plain English text, one sentence a line: FILE.txt")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    translator = build(TranslationConfig(model=MODEL, n_best=1, device="cpu"))
    lines = [
        f"# Texts that {MODEL} was not made for",
        "",
        "`python -m benchmarks.quality domain --tatoeba FILE`: how many texts of each set are marked as "
        "unfamiliar (half of their sentences or more lie outside of the limits of `domain.json`), with "
        "Wilson's 95% interval. Beam 5, float32. The first three sets are of the kind that the model was "
        "made for, and unseen.",
        "",
        "| set | unfamiliar |",
        "| --- | --- |",
    ]
    for name, utterances in load_sets(options.tatoeba).items():
        outcomes = [outcome for outcome in translator.translate(utterances) if isinstance(outcome, NBest)]
        marked = sum(outcome.best.features.get(UNFAMILIAR_FEATURE, 0.0) >= 0.5 for outcome in outcomes)
        lines.append(f"| {name} | {wilson_interval(marked, len(outcomes))} |")
        print(lines[-1], flush=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")

"""How well a translation model tells texts that it was not made for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.paths import data_set
from benchmarks.common.recordings import load_recordings
from benchmarks.common.sections import Result, option
from components import data
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig
from components.translation.context.domain import UNFAMILIAR_FEATURE

PAGE = "domain"
MODEL = "packaged:multi30k-en-de"
CAPTIONS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
LANGUAGES = {"source_language": "en", "target_language": "de"}
OPTIONS = {"tatoeba": option(Path, "plain English text, one sentence a line")}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Set -> the share of unfamiliar sentences of every text."""
    from components.translation.factory import build

    translator = build(TranslationConfig(model=MODEL, n_best=1, device="cpu"))
    shares = {}
    tatoeba = options.tatoeba or data_set("tatoeba") / "tatoeba.deu-eng.eng"
    for name, utterances in load_sets(tatoeba).items():
        outcomes = [outcome for outcome in translator.translate(utterances) if isinstance(outcome, NBest)]
        shares[name] = [round(o.best.features.get(UNFAMILIAR_FEATURE, 0.0), 4) for o in outcomes]
        print(name, len(outcomes), flush=True)
    yield Result("shares", shares, [MODEL])


def load_sets(tatoeba: Path) -> dict[str, list[Utterance]]:
    """English texts by name: unseen captions, then texts of other kinds."""
    texts = {f"captions, {name}": list(data.load(f"multi30k:{name}").utterances) for name in CAPTIONS}
    lines = tatoeba.read_text(encoding="utf-8").splitlines()
    texts["Tatoeba"] = [
        Utterance(id=f"tatoeba-{number}", text=line, **LANGUAGES)
        for number, line in enumerate(lines)
        if line.strip()
    ]
    texts["transcripts of human recordings"] = [
        Utterance(id=u.id, text=u.transcript, **LANGUAGES) for u in load_recordings("en") if u.transcript
    ]
    return texts

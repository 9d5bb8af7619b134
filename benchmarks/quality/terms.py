"""Terms in the search of Whisper: spoken sentences with rare names, and captions without, at several boosts.

The sentences are made of templates and of names that are not among them; half of all texts are captions of
Multi30k's test_2016_flickr, in which no term is said. Flite speaks them (Debian: apt-get install flite).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.paths import data_set
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_by_metric
from components.metrics.table import METRICS, term_metrics
from components.records import Utterance
from components.synthesis import synthesizer
from components.synthesis.config import SynthesisConfig

PAGE = "families"
MODEL = "packaged:whisper-tiny.en"
BOOSTS = (0.0, 2.0, 4.0, 8.0)
"""Nats per token; 0: no list."""
FIRST = [
    *("Oleksandra", "Thandiwe", "Siobhan", "Anselm", "Ximena", "Bjarne", "Eulalia", "Tiberius"),
    *("Saoirse", "Wojciech", "Ngozi", "Leocadia", "Zdenka", "Ayodele", "Ignatius", "Mireille"),
    *("Torvald", "Parvaneh", "Caoimhe", "Evander"),
]
LAST = [
    *("Kovalenko", "Mbeki", "Przybylski", "Achterberg", "Quintanilla", "Thorvaldsen", "Oyelaran"),
    *("Szczepaniak", "Vandermeer", "Okonkwo", "Dufresne", "Haugland", "Tchaikovsky", "Abernathy"),
    *("Balakrishnan", "Castellanos", "Drozdowski", "Farquharson", "Gudmundsson", "Iwasaki"),
]
DRUGS = [
    *("atorvastatin", "levetiracetam", "methotrexate", "rivaroxaban", "pantoprazole", "clopidogrel"),
    *("hydroxychloroquine", "escitalopram"),
]
TEMPLATES = (
    "{first} {last} called about the meeting on Thursday.",
    "Please send the contract to {last} before noon.",
    "The doctor prescribed {drug} for {first}.",
    "We met {last} at the train station last night.",
    "{first} wants to change the dose of {drug}.",
    "A letter from {first} {last} arrived this morning.",
    "Is {last} coming to the dinner tomorrow?",
    "The patient has taken {drug} since March.",
)
OPTIONS = {"sentences": option(100, "of each of the two halves")}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What is said, and what is recognized at every boost, by the ids of the sentences."""
    texts = make_texts(options.sentences)
    with TemporaryDirectory() as folder:
        speaker = synthesizer.build(SynthesisConfig(engine="flite", voices=("slt", "rms")))
        written = [Utterance(id=key, text=text, source_language="en") for key, text in texts.items()]
        spoken = [u for u in speaker.synthesize(written, Path(folder)) if isinstance(u, Utterance)]
        outputs = {}
        for boost in BOOSTS:
            settings: dict[str, object] = {"model": MODEL, "n_best": 1}
            if boost:
                settings["terms"] = str(write_terms(Path(folder), boost))
            lists, seconds = recognize_cached(settings, spoken)
            outputs[f"{boost:g}"] = {key: nbest.best.text for key, nbest in lists.items()}
            print(f"boost {boost:g}: {seconds:.0f} CPU s", flush=True)
    terms = [*FIRST, *LAST, *DRUGS]
    references = {key: (text,) for key, text in texts.items()}
    captions = {key: references[key] for key in references if key.startswith("caption")}
    by_caption = {boost: {key: own[key] for key in captions} for boost, own in outputs.items()}
    values = {
        "terms": terms,
        "outputs": outputs,
        "statistics": count_by_metric(term_metrics(terms, "transcript"), references, outputs, "en"),
        "captions": count_by_metric([METRICS["wer"]], captions, by_caption, "en"),
    }
    yield Result("terms", values, [MODEL])


def make_texts(n: int) -> dict[str, str]:
    """Id -> text: ``n`` sentences with terms, and ``n`` captions."""
    draw = random.Random(7)
    texts = {}
    for number in range(n):
        names = {"first": draw.choice(FIRST), "last": draw.choice(LAST), "drug": draw.choice(DRUGS)}
        texts[f"name{number:03d}"] = TEMPLATES[number % len(TEMPLATES)].format(**names)
    path = data_set("multi30k") / "test_2016_flickr.en"
    captions = path.read_text(encoding="utf-8").splitlines()
    step = len(captions) // n
    return texts | {f"caption{i:03d}": captions[i * step] for i in range(n)}


def write_terms(folder: Path, boost: float) -> Path:
    """The list at one boost."""
    path = folder / f"terms-{boost:g}.tsv"
    rows = [f"{term}\t{boost:g}" for term in (*FIRST, *LAST, *DRUGS)]
    path.write_text("\n".join(["source\tboost", *rows, ""]), encoding="utf-8")
    return path

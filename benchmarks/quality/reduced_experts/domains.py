"""Four domains of English and German: captions and everyday sentences, read in either direction.

A text of a ``back`` domain is German and its reference English; the manifests call all of them English to
German, since a data set is read as one direction, and a model sees which language it reads.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality.merging.fine_tuning import multi30k, pair, tatoeba
from components.files.files import write_bytes

DOMAINS = ("captions", "captions back", "sentences", "sentences back")
CAPTIONS, SENTENCES = 4000, 600
"""Pairs of a domain to learn from; sentences stand there twice in the mixture."""
VAL, TEST = 75, 125
"""Pairs of each domain by which importance is measured, and on which quality is."""
PROMPTS = 8
"""Texts of each expert by which its router's row begins."""

Pairs = Sequence[tuple[str, str]]


class DataSets(NamedTuple):
    """References of the data, as files of one folder.

    Attributes:
        dense: Of each domain but the first, what its dense model learns from, and is watched on.
        mixed: All domains, to train the experts.
        val: All domains, to choose checkpoints and to measure importance.
        test: All domains, for nothing but the page.
        prompts: Texts of each of the eight experts.
    """

    dense: Mapping[str, tuple[str, str]]
    mixed: str
    val: str
    test: str
    prompts: Sequence[Sequence[str]]


def write_data_sets(folder: Path) -> DataSets:
    """Write the data sets; no pair is in two of training, val and test, in either direction."""
    train, val, test = (multi30k(split) for split in ("train", "val", "test_2016_flickr"))
    ours = tatoeba()
    held, unseen = ours[SENTENCES : SENTENCES + 2 * VAL], ours[SENTENCES + 2 * VAL :]
    training = _by_domain(train[: 2 * CAPTIONS], ours[:SENTENCES] * 2, CAPTIONS, 0)
    training["captions back"] = _turn(train[CAPTIONS : 3 * CAPTIONS])
    watched = _by_domain(val, held, VAL, VAL)
    dense = {
        name: (_write_pair(folder, name, training[name]), _write_pair(folder, f"{name} val", watched[name]))
        for name in DOMAINS[1:]
    }
    training["captions back"] = training["captions back"][:CAPTIONS]
    return DataSets(
        dense=dense,
        mixed=_write_manifest(folder / "mixed.jsonl", training),
        val=_write_manifest(folder / "val.jsonl", watched),
        test=_write_manifest(folder / "test.jsonl", _by_domain(test, unseen, TEST, TEST)),
        prompts=[
            [source for source, _ in training[name][half * PROMPTS : (half + 1) * PROMPTS]]
            for half in range(2)
            for name in DOMAINS
        ],
    )


def _by_domain(captions: Pairs, sentences: Pairs, n_captions: int, n_sentences: int) -> dict[str, Pairs]:
    """Divide pairs over the domains, the second part read backward; 0: both directions get all of them."""
    forward = {"captions": captions[:n_captions], "sentences": sentences[: n_sentences or None]}
    backward = {
        "captions back": captions[n_captions : 2 * n_captions],
        "sentences back": sentences[n_sentences : 2 * n_sentences or None],
    }
    whole = forward | {name: _turn(pairs) for name, pairs in backward.items()}
    return {name: whole[name] for name in DOMAINS}


def _turn(pairs: Pairs) -> Pairs:
    return [(target, source) for source, target in pairs]


def _write_pair(folder: Path, name: str, pairs: Pairs) -> str:
    return pair(folder, name.replace(" ", "-"), list(pairs))


def _write_manifest(path: Path, by_domain: Mapping[str, Pairs]) -> str:
    """Write the domains in turn, so that the first so many records are of all of them."""
    rows = [
        {
            "id": f"{name.replace(' ', '-')}-{number}",
            "text": source,
            "references": [target],
            "source_language": "en",
            "target_language": "de",
            "domain": name,
        }
        for each in itertools.zip_longest(*(_number(name, pairs) for name, pairs in by_domain.items()))
        for name, number, (source, target) in filter(None, each)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode())
    return str(path)


def _number(name: str, pairs: Pairs) -> list[tuple[str, int, tuple[str, str]]]:
    return [(name, number, each) for number, each in enumerate(pairs)]

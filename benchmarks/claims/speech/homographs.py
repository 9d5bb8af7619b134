"""The spoken homograph: English sentences whose meaning only the sound tells, with German references.

``python -m benchmarks.claims.speech.homographs`` prints the set. Texts are ours: the words of
``words.jsonl`` (word, family, two readings with espeak-ng's phonemes and a German word each) in the frames
below, the verb "read" in the present and the past, and nouns that are spelled alike. Each sentence stands
there twice, once for each reading, so a system that sees the text only is right in exactly half of the cases.

``held_out`` words are never heard in training (they are read there, in both readings, without sound).
``held_out`` frames are heard with no word; their sentences with known words are the held-out sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WORDS = Path(__file__).parent / "words.jsonl"
Split = Literal["train", "sentences", "words"]

FRAMES = (
    ("The word is {}.", "Das Wort ist {}."),
    ("Please write {} on the board.", "Bitte schreib {} an die Tafel."),
    ("She said {} and smiled.", "Sie sagte {} und lächelte."),
    ("Today we learn {}.", "Heute lernen wir {}."),
    ("The teacher repeated {} twice.", "Der Lehrer wiederholte {} zweimal."),
    ("He wrote {} on the card.", "Er schrieb {} auf die Karte."),
    ("My answer was {}.", "Meine Antwort war {}."),
    ("A child shouted {} in the street.", "Ein Kind rief {} auf der Straße."),
)
HELD_OUT_FRAMES = (
    ("Two girls sang {} at home.", "Zwei Mädchen sangen {} zu Hause."),
    ("The man on the stage said {}.", "Der Mann auf der Bühne sagte {}."),
)
NOUNS = {
    "bow": ("b'oU", "die Schleife", "b'aU", "die Verbeugung"),
    "tear": ("t'i@3", "die Träne", "t'e@", "den Riss"),
    "row": ("r'oU", "die Reihe", "r'aU", "den Streit"),
    "bass": ("b'eIs", "den Kontrabass", "b'as", "den Barsch"),
    "lead": ("l'Ed", "das Blei", "l'i:d", "die Leine"),
    "sewer": ("s'u:3", "den Abwasserkanal", "s'oU3", "die Näherin"),
    "axes": ("'aksI#z", "die Äxte", "'aksi:z", "die Achsen"),
}
NOUN_FRAMES = (
    ("I saw the {}.", "Ich sah {}."),
    ("The children drew the {}.", "Die Kinder zeichneten {}."),
    ("We forgot the {}.", "Wir vergaßen {}."),
    ("They talked about the {}.", "Sie sprachen über {}."),
    ("The girl liked the {}.", "Das Mädchen mochte {}."),
    ("A man pointed at the {}.", "Ein Mann zeigte auf {}."),
)
HELD_OUT_NOUN_FRAMES = (
    ("The woman remembered the {}.", "Die Frau erinnerte sich an {}."),
    ("Nobody noticed the {}.", "Niemand bemerkte {}."),
)
READERS = {
    "I": ("Ich lese", "Ich las"),
    "We": ("Wir lesen", "Wir lasen"),
    "They": ("Sie lesen", "Sie lasen"),
    "The children": ("Die Kinder lesen", "Die Kinder lasen"),
    "Two men": ("Zwei Männer lesen", "Zwei Männer lasen"),
    "Many people": ("Viele Leute lesen", "Viele Leute lasen"),
    "The girls": ("Die Mädchen lesen", "Die Mädchen lasen"),
}
TEXTS = {
    "the book": "das Buch",
    "the letter": "den Brief",
    "the newspaper": "die Zeitung",
    "a story": "eine Geschichte",
    "the sign": "das Schild",
    "a magazine": "eine Zeitschrift",
    "the map": "die Karte",
    "poems": "Gedichte",
}
PLACES = {"": "", " in the garden": " im Garten", " on the train": " im Zug"}
HELD_OUT_READERS, HELD_OUT_TEXTS = {"The girls", "Two men"}, {"the map", "a magazine"}


@dataclass(frozen=True)
class Sentence:
    """One sentence in one reading. ``marked`` forces the sound; ``other`` is the reading's counterpart."""

    id: str
    split: Split
    family: str
    word: str
    reading: int
    marked: str
    german: str
    other: str
    keys: tuple[str, str]


def sentences() -> list[Sentence]:
    """The whole set: both readings of every sentence, next to each other."""
    return [*_mentions(), *_nouns(), *_read()]


def _both(
    name: str,
    split: Split,
    family: str,
    word: str,
    frame: str,
    phonemes: list[str],
    germans: list[str],
    keys: list[str],
) -> Iterator[Sentence]:
    for reading in (0, 1):
        marked = frame.format(f"{{{word}|{phonemes[reading]}}}")
        pair = (keys[reading], keys[1 - reading])
        yield Sentence(
            f"{name}-{reading}",
            split,
            family,
            word,
            reading,
            marked,
            germans[reading],
            germans[1 - reading],
            pair,
        )


def _mentions() -> Iterator[Sentence]:
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        phonemes = [reading["phonemes"] for reading in row["readings"]]
        words = [reading["german"] for reading in row["readings"]]
        for number, (english, german) in enumerate((*FRAMES, *HELD_OUT_FRAMES)):
            split: Split = "words" if row["held_out"] else "sentences" if number >= len(FRAMES) else "train"
            name = f"{row['word']}-{number}"
            germans = [german.format(word) for word in words]
            yield from _both(name, split, row["family"], row["word"], english, phonemes, germans, words)


def _nouns() -> Iterator[Sentence]:
    for word, (first, first_german, second, second_german) in NOUNS.items():
        for number, (english, german) in enumerate((*NOUN_FRAMES, *HELD_OUT_NOUN_FRAMES)):
            split: Split = "sentences" if number >= len(NOUN_FRAMES) else "train"
            germans = [german.format(first_german), german.format(second_german)]
            keys = [first_german.split()[-1], second_german.split()[-1]]
            yield from _both(
                f"noun-{word}-{number}", split, "noun", word, english, [first, second], germans, keys
            )


def _read() -> Iterator[Sentence]:
    for who, verbs in READERS.items():
        for what, object_ in TEXTS.items():
            for where, ending in PLACES.items():
                is_held_out = who in HELD_OUT_READERS or what in HELD_OUT_TEXTS
                split: Split = "sentences" if is_held_out else "train"
                name = f"read-{who}-{what}{where}".replace(" ", "_").lower()
                germans = [f"{verb} {object_}{ending}." for verb in verbs]
                keys = [verb.split()[-1] for verb in verbs]
                frame = f"{who} {{}} {what}{where}."
                yield from _both(name, split, "read", "read", frame, ["r'i:d", "r'Ed"], germans, keys)


if __name__ == "__main__":
    for sentence in sentences():
        print(sentence.split, sentence.family, sentence.marked, sentence.german, sep="\t")

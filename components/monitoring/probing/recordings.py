"""Changed recordings as files with a manifest, as any data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import soundfile

from components import audio
from components.confidence.agreement import keys_of
from components.errors import DataError
from components.files.files import open_atomically, write_bytes
from components.monitoring.probing.probes import (
    Probe,
    choose_words,
    exchange_number,
    opening_words,
    replace_opening,
    silence,
    time_words,
)
from components.records import NBest, Utterance
from components.synthesis.synthesizer import Synthesizer

MANIFEST = "probes.jsonl"


def make_probes(
    utterances: Sequence[Utterance],
    heard: Mapping[str, NBest],
    folder: Path,
    words: int,
    voice: Synthesizer | None = None,
) -> list[Probe]:
    """Write changed recordings and their manifest, and return what was taken from each.

    Args:
        utterances: with transcripts and sound.
        heard: what was recognized of them, with the times of words.
        folder: where.
        words: of each recording that are silenced, one in each copy.
        voice: that speaks other numbers; None: none are spoken.

    Raises:
        DataError: nothing can be probed.
    """
    spoken = [u for u in utterances if u.audio is not None and u.transcript and u.id in heard]
    made = list(_write_sounds(spoken, heard, folder, words))
    if voice is not None:
        made += _speak_numbers(spoken, folder, voice)
    if not made:
        raise DataError("expected recordings with transcripts whose words are heard, found none to probe")
    lines = [
        {"id": probe.id, "audio": path.name, "source_language": language} for probe, path, language in made
    ]
    write_bytes(folder / MANIFEST, "".join(json.dumps(line) + "\n" for line in lines).encode())
    return [probe for probe, _, _ in made]


Made = tuple[Probe, Path, str]


def _write_sounds(
    spoken: list[Utterance], heard: Mapping[str, NBest], folder: Path, count: int
) -> Iterator[Made]:
    for number, utterance in enumerate(spoken):
        assert utterance.audio is not None and utterance.transcript is not None
        samples, language = audio.decode(utterance.audio), utterance.source_language
        timed = time_words(utterance.transcript, heard[utterance.id])
        for target in choose_words(timed, count, utterance.id):
            probe = Probe(f"{utterance.id}~silence{target.position}", "silence", utterance.id, (target,))
            yield probe, _write(folder, f"{number:05d}-{target.position}", silence(samples, target)), language
        opening = choose_words(opening_words(timed, utterance.audio.seconds), count, utterance.id)
        taken = {target.word for target in opening}
        turned = spoken[number + 1 :] + spoken[:number]  # the opening must not say what was taken
        others = (each for each in turned if taken.isdisjoint(keys_of(str(each.transcript))))
        if opening and (other := next(others, None)) is not None:
            assert other.audio is not None
            probe = Probe(f"{utterance.id}~cue", "cue", utterance.id, tuple(opening))
            changed = replace_opening(samples, audio.decode(other.audio))
            yield probe, _write(folder, f"{number:05d}-cue", changed), language


def _speak_numbers(spoken: Sequence[Utterance], folder: Path, voice: Synthesizer) -> Iterator[Made]:
    texts, targets = [], {}
    for utterance in spoken:
        exchanged = exchange_number(str(utterance.transcript), utterance.id)
        if exchanged is not None:
            key = f"{utterance.id}~number"
            targets[key] = Probe(key, "number", utterance.id, (exchanged[1],))
            texts.append(Utterance(id=key, text=exchanged[0], source_language=utterance.source_language))
    for outcome in voice.synthesize(texts, folder):
        if isinstance(outcome, Utterance) and outcome.audio is not None:
            yield targets[outcome.id], Path(outcome.audio.path), outcome.source_language


def _write(folder: Path, name: str, samples: audio.Samples) -> Path:
    path = folder / f"{name}.flac"
    folder.mkdir(parents=True, exist_ok=True)
    with open_atomically(path) as file:
        soundfile.write(file, samples.clip(-1, 1), audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return path

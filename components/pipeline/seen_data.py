"""Which of the utterances that a run is scored on its nodes learn from: of other data its scores say less."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

from components import data
from components.errors import AntiphonError, DataError
from components.models.adapted_references import parts_of
from components.models.references import display_reference, split_reference
from components.models.sources.store import find_model_key, find_stage_folder, names_run
from components.nodes.facts import Mode
from components.pipeline.pipeline import DATA, Node, Pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.stage_settings import DataSource, data_sets
from components.storage.stages.reader import has_references, read_quarantined, read_utterances
from components.storage.stages.seal import SEAL, read_seal

_CHOSEN_ON = "dev"
"""Role of the data that a training only chooses its best step by: coefficients may be learned on these."""


class Contents:
    """What is in some utterances, whatever their ids: the sound, or the source text where one has no sound.

    Args:
        utterances: those to look among.
    """

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        self._sounds: set[tuple[object, ...]] = set()
        self._texts: dict[bool, set[str]] = {True: set(), False: set()}  # of utterances with sound, without
        for utterance in utterances:
            if sound := _sound_of(utterance):
                self._sounds.add(sound)
            self._texts[bool(sound)].add(_text_of(utterance))

    def __contains__(self, utterance: Utterance) -> bool:
        sound, text = _sound_of(utterance), _text_of(utterance)
        if sound in self._sounds:
            return True
        return bool(text) and (text in self._texts[False] or (not sound and text in self._texts[True]))


def describe_seen(
    pipeline: Pipeline,
    sets: Mapping[str, StageRef],
    test: Iterable[Utterance] | None = None,
    store: str | None = None,
) -> list[str]:
    """Return a sentence where a run is scored on utterances that its own nodes learn from or choose on.

    Args:
        pipeline: the graph.
        sets: its loaded data sets by name.
        test: the utterances that are scored; those of the run's data set if None.
        store: URL of the store, whose models say which data sets they were trained and chosen on; None for
            the default.
    """
    own = sets.get(DATA)
    learned = {}
    trained: list[str] = []
    if test is None:
        test = read_utterances(own) if own is not None and has_references(own) else ()
        trained = _trained_on(pipeline, own, store) if own is not None else []
    elif own is not None:
        learned["the run"] = Contents(read_utterances(own))
    learned |= {
        pipeline.user_name_of(node.name): Contents(utterances)
        for node in pipeline
        if (utterances := _read_own(node, sets)) is not None
    }
    if own is not None and trained:
        learned |= dict.fromkeys(trained, Contents(read_utterances(own)))
    counts = Counter[str]()
    total = seen = 0
    for utterance in test if learned else ():
        names = [name for name, contents in learned.items() if utterance in contents]
        counts.update(names)
        total, seen = total + 1, seen + bool(names)
    trusting = list(_describe_trusting(pipeline, sets, store))
    if not seen:
        return trusting
    return [
        f"Not independent: {seen:,} of the {total:,} utterances that are scored are also in data to learn "
        f"from or choose on (those of {', '.join(name for name in learned if counts[name])}); score others.",
        *trusting,
    ]


def _describe_trusting(pipeline: Pipeline, sets: Mapping[str, StageRef], store: str | None) -> Iterator[str]:
    """Yield a sentence for each node that learns whom to trust on what some of them were trained on."""
    for node in pipeline:
        own = sets.get(pipeline.data_of(node.name))
        readers = {other.output for other in pipeline if node.name in other.reads.values()}
        is_table = node.output == "table" and node.kind.mode in (Mode.WHOLE, Mode.AGGREGATE)
        if own is None or own is sets.get(DATA) or not is_table or readers <= {"model"}:
            continue
        above = pipeline.subgraph_of(node.name)
        names = _trained_on(above, own, store, without=_CHOSEN_ON)
        for model in above:
            taught = _read_own(model, sets, without=_CHOSEN_ON) if model.output == "model" else None
            if taught is not None and any(map(Contents(taught).__contains__, read_utterances(own))):
                names.append(pipeline.user_name_of(model.name))
        if names:
            yield (
                f"Not independent: {pipeline.user_name_of(node.name)} learns on data that {', '.join(names)} "
                "learned from, which is surer of them than of others; give it other data."
            )


def _trained_on(pipeline: Pipeline, own: StageRef, store: str | None, without: str = "") -> list[str]:
    """Return the stored models of the graph that saw this very data set, or were made of some that did."""
    named = (part for node in pipeline for model in node.models.values() for part in parts_of(model))
    stored = [reference for reference in dict.fromkeys(named) if split_reference(reference)[0] == "store"]
    if not stored:
        return []
    digest = data.content_digest(read_utterances(own), read_quarantined(own))
    seen = [reference for reference in stored if _has_seen(reference, digest, store, without)]
    return [display_reference(reference) for reference in seen]


def _has_seen(reference: str, digest: str, store: str | None, without: str) -> bool:
    """Return whether a stored model, or one that it was made of and is still there, read this data set."""
    name = split_reference(reference)[1]
    key = (find_model_key(name, store) if names_run(name, store) else name).partition("@")[0]
    folder = find_stage_folder(key, store, reference)
    plan = read_seal((folder / SEAL).read_bytes(), str(folder), folder.name).plan
    if any(digest == read and role != without for role, read in plan.get("inputs", {}).items()):
        return True
    for part in chain.from_iterable(map(parts_of, plan.get("models", {}).values())):
        with suppress(AntiphonError):
            if split_reference(part)[0] == "store" and _has_seen(part, digest, store, without):
                return True
    return False


def _read_own(node: Node, sets: Mapping[str, StageRef], without: str = "") -> Iterator[Utterance] | None:
    """Return the utterances that a node reads beside those of the run; None if it reads none."""
    if node.output == "data":
        return iter(read_utterances(sets[node.name])) if node.name in sets else None
    own = {role: source for role, source in data_sets(node.settings).items() if role != without}
    return chain.from_iterable(map(_load, own.values())) if own else None


def _load(source: DataSource) -> Sequence[Utterance]:
    try:
        return data.load(**source._asdict()).utterances
    except DataError:  # a node that is finished does without its data; one that is not says what is wrong
        return ()


def content_of(utterance: Utterance) -> tuple[object, ...]:
    """Return what makes an utterance the same as another: its sound, or its source text where it has none."""
    return _sound_of(utterance) or (_text_of(utterance),)


def _sound_of(utterance: Utterance) -> tuple[object, ...] | None:
    audio = utterance.audio
    return None if audio is None else (audio.sha256, audio.offset, audio.seconds)


def _text_of(utterance: Utterance) -> str:
    return unicodedata.normalize("NFC", utterance.text or utterance.transcript or "").strip()

"""What outputs are scored as: utterances, and of long recordings segments or blocks of their references.

A recording of an hour is one output, but no unit to score: BLEU matches n-grams within a unit, and intervals
and tests resample units. So where a recording has reference segments, each is a unit of its own, ``talk#3``
the third of ``talk``, and the output is cut to them by word edits (:mod:`.resegmentation`),
whatever sentences the system made of it. A recording with several references per segment is cut to the one
that is nearest as a whole.

A long recording whose only reference is a text is cut into blocks of some fifty words that end with a
sentence where they can, ``talk#transcript-3``, and the output to them in the same way. Neighboring blocks are
not quite independent (a speaker mumbles for minutes), so the interval of a single talk says how sure a score
of *this* speaker and subject is. Signatures name the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from components.extensions import Extensions, accept_methods
from components.metrics.error_rates.turns import Turns, reference_turns
from components.metrics.languages import Language, assign_languages
from components.metrics.metric import Metric, Output, Segments, align_segments
from components.metrics.statistics.corpus_statistics import CorpusStatistics, measure, score_segments
from components.records import Utterance
from components.run_record import Score

RESEGMENTATION: Extensions[Any] = Extensions(
    "antiphon.resegmentation", "resegmentation", accept_methods("resegment", "count_edits", "cut_blocks")
)
"""What cuts the output of a long recording; nothing else needs it."""
BLOCK_WORDS = 50
"""Words (or characters, in languages written without spaces) of a block."""
UNIT_NAMES = ("segment", f"block{BLOCK_WORDS}")
"""Units that are no utterances, in the order of signatures."""
LONG_SECONDS = 60.0
"""A recording that is longer is cut into blocks, if it has words for two."""


class ScoringUnits:
    """The units of one kind of output of a data set.

    Args:
        utterances: of the data set; those without a reference of this kind are not scored.
        output: which text is scored.
        language: of the outputs, of all or of each utterance.
        blocks: whether long recordings without reference segments are cut into blocks.
        with_references: whether units without a reference are left out; quality estimation needs none.

    Attributes:
        utterances: the units, as utterances with their own references.
        added: how many units there are more than utterances.
        unit_names: what the units are beside utterances, as signatures name it.
        languages: unit id -> language of the output.
        references: unit id -> reference texts.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        output: Output,
        language: Language,
        *,
        blocks: bool = True,
        with_references: bool = True,
    ) -> None:
        ids = [utterance.id for utterance in utterances]
        written, taken = assign_languages(ids, language), frozenset(ids)
        segments = {u.id: units for u in utterances if (units := _split(u, output, taken))}
        cut = {
            u.id: units
            for u, code in zip(utterances, written, strict=True)
            if blocks and u.id not in segments and (units := _cut(u, output, code, taken))
        }
        self._segments = segments | cut
        self._block_ids = {unit.id for units in cut.values() for unit in units}
        self.unit_names = [name for name, used in zip(UNIT_NAMES, (segments, cut), strict=True) if used]
        self.added = sum(len(units) - 1 for units in self._segments.values())
        self.utterances = [unit for u in utterances for unit in self._segments.get(u.id, [u])]
        self.languages = {
            unit.id: code
            for utterance, code in zip(utterances, written, strict=True)
            for unit in self._segments.get(utterance.id, [utterance])
        }
        texts = {unit.id: _references(unit, output) for unit in self.utterances}
        self.references = {
            key: stated or () for key, stated in texts.items() if stated is not None or not with_references
        }
        # A cut gives a stretch without words none, whatever the system wrote there: nothing to score.
        self._gaps = {
            unit.id
            for units in self._segments.values()
            for unit in units
            if texts[unit.id] is not None and not any(text.strip() for text in self.references[unit.id])
        }
        self._turns = {u.id: reference_turns(u) for u in utterances if output == "transcript"}
        self._recording_languages = dict(zip(ids, written, strict=True))

    def split(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Outputs by utterance id -> outputs by unit id, of the units that have a reference."""
        outputs: dict[str, str] = {}
        for key, text in texts.items():
            units = self._segments.get(key)
            if units is None:
                outputs[key] = text
                continue
            streams = list(_streams([self.references[unit.id] for unit in units]))
            language = self.languages[units[0].id]
            cutter = RESEGMENTATION.only()
            edits = [cutter.count_edits(text, stream, language) for stream in streams]
            nearest = streams[edits.index(min(edits))]
            pieces = cutter.resegment(text, nearest, language)
            outputs |= {unit.id: piece for unit, piece in zip(units, pieces, strict=True)}
        return {
            key: text for key, text in outputs.items() if key in self.references and key not in self._gaps
        }

    def align(
        self, texts: Mapping[str, str], n_total: int, turns: Mapping[str, Turns | None] | None = None
    ) -> Segments | None:
        """Return outputs by utterance id beside their references; None where no output has one.

        Args:
            texts: utterance id -> output.
            n_total: utterances of the data set.
            turns: utterance id -> turns of the output, where it has speakers or is silence.
        """
        outputs = self.split(texts)
        if not outputs:
            return None
        # Nobody knows which stretch of the sound or of the source a block is.
        aligned = [unit for unit in self.utterances if unit.id not in self._block_ids]
        segments = align_segments(
            self.references,
            outputs,
            self.languages,
            self.count(n_total),
            sources={unit.id: unit.text or unit.transcript or "" for unit in aligned},
            audio={unit.id: unit.audio for unit in aligned if unit.audio is not None},
        )
        return replace(segments, recordings=self._with_turns(texts, turns or {}))

    def _with_turns(self, texts: Mapping[str, str], turns: Mapping[str, Turns | None]) -> Segments | None:
        """Return the recordings with speakers, those with no output as well; None without any output."""
        known = {key: output for key in texts if (output := turns.get(key)) is not None}
        ids = tuple(key for key, own in self._turns.items() if own and key in known)
        if not any(known.values()):
            return None
        return Segments(
            ids=ids,
            hypotheses=tuple(texts[key] for key in ids),
            languages=tuple(self._recording_languages[key] for key in ids),
            references=tuple((" ".join(turn.text for turn in self._turns[key]),) for key in ids),
            turns=tuple((self._turns[key], known[key]) for key in ids),
        )

    def measure(self, metric: Metric, segments: Segments, n_total: int) -> CorpusStatistics | None:
        """Return the signed statistics of ``segments``, from :meth:`align`; None where nothing can be scored.

        Args:
            metric: of this kind of output.
            segments: outputs beside their references.
            n_total: utterances of the data set.
        """
        if metric.of_recordings:
            return measure(metric, segments, n_total)
        table = measure(metric, segments, self.count(n_total))
        return None if table is None else replace(table, signature=self.sign(table.signature))

    def score(self, metrics: Iterable[Metric], segments: Segments, n_total: int) -> dict[str, Score]:
        """Metric name -> signed score of ``segments``; metrics with nothing to score are left out.

        Args:
            metrics: of this kind of output.
            segments: outputs beside their references, from :meth:`align`.
            n_total: utterances of the data set.
        """
        scores = {}
        for metric in metrics:
            n = n_total if metric.of_recordings else self.count(n_total)
            for name, score in score_segments([metric], segments, n).items():
                signature = score.signature if metric.of_recordings else self.sign(score.signature)
                scores[name] = score.model_copy(update={"signature": signature})
        return scores

    def ids_of(self, utterance_ids: Iterable[str]) -> list[str]:
        """Return the ids of the units of utterances, in order."""
        ids: list[str] = []
        for key in utterance_ids:
            units = self._segments.get(key)
            ids += [key] if units is None else [unit.id for unit in units]
        return ids

    def count(self, n_utterances: int) -> int:
        """Return the number of units of a data set of so many utterances."""
        return n_utterances + self.added

    def sign(self, signature: str) -> str:
        """Return the protocol of a score over these units."""
        return sign_units(signature, self.unit_names)


def sign_units(signature: str, unit_names: Iterable[str]) -> str:
    """Return the protocol of a score over units that are not all utterances."""
    names = [name for name in UNIT_NAMES if name in set(unit_names)]
    return f"{signature}|unit:{'+'.join(names)}|{RESEGMENTATION.only().PROTOCOL}" if names else signature


def _split(utterance: Utterance, output: Output, taken: Set[str]) -> list[Utterance]:
    """The units of a recording whose reference segments all have a reference of this kind; else none."""
    segments, audio = utterance.reference_segments, utterance.audio
    stated = [
        segment.transcript is not None if output == "transcript" else bool(segment.references)
        for segment in segments
    ]
    if audio is None or not segments or not all(stated):
        return []
    return [
        utterance.model_copy(
            update={
                "id": _unit_id(f"{utterance.id}#{number}", taken),
                "audio": audio.model_copy(
                    update={"offset": audio.offset + segment.start, "seconds": segment.end - segment.start}
                ),
                "transcript": segment.transcript,
                "references": segment.references,
                "reference_segments": (),
            }
        )
        for number, segment in enumerate(segments, 1)
    ]


def _cut(utterance: Utterance, output: Output, language: str, taken: Set[str]) -> list[Utterance]:
    """The blocks of a long recording with one reference text of this kind; none where it is too short."""
    texts = _references(utterance, output) or ()
    is_long = utterance.audio is not None and utterance.audio.seconds > LONG_SECONDS
    if not is_long or len(texts) != 1:
        return []
    blocks = RESEGMENTATION.only().cut_blocks(texts[0], language, BLOCK_WORDS)
    if len(blocks) < 2:
        return []
    name = "transcript" if output == "transcript" else "references"
    return [
        utterance.model_copy(
            update={
                "id": _unit_id(f"{utterance.id}#{output}-{number}", taken),
                name: block if output == "transcript" else (block,),
                "reference_segments": (),
            }
        )
        for number, block in enumerate(blocks, 1)
    ]


def _unit_id(name: str, taken: Set[str]) -> str:
    """Return the name, marked where an utterance has it."""
    return _unit_id(f"{name}'", taken) if name in taken else name


def _references(unit: Utterance, output: Output) -> tuple[str, ...] | None:
    """Return the references of a unit; None where it has none."""
    if output == "translation":
        return unit.references or None
    return None if unit.audio is None or unit.transcript is None else (unit.transcript,)


def _streams(references: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """The first references of all segments, then the second ones ..., the last again where one has fewer."""
    for number in range(max(map(len, references))):
        yield [texts[min(number, len(texts) - 1)] for texts in references]

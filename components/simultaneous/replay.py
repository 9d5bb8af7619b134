"""Replays recordings chunk by chunk: nodes get prefixes, policies say what of their outputs is written.

A recognizer hears the sound since the last cut, at most :data:`HISTORY_SECONDS`; a translator reads the
sentence that is being written. Their searches go on behind what is written of it. With the whole sound in one
chunk both get what they get in a run, and write the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.errors import AntiphonError, ConfigError, DataError
from components.nodes.continuing import Attended, continuation_of
from components.records import Hypothesis, NBest, NodeOutcome, Quarantined, Utterance
from components.serving.graph import ServedGraph, ServedNode
from components.simultaneous.policies import FRAMES_PER_SECOND, HISTORY_SECONDS, Choice, Units
from components.simultaneous.records import Delta, Replay, Step
from components.simultaneous.requirements import PREFIXES, require_policies
from components.simultaneous.units import ends_sentence, join_units, split_units, spread_attention
from components.simultaneous.writer import Writer

T = TypeVar("T")


@dataclass(frozen=True)
class Replayer:
    """Replays utterances through the nodes of a graph.

    Attributes:
        graph: the graph, its models loaded; :func:`require_prefixes` takes it.
        policies: of each node.
        chunk: seconds of sound at a time; of text, seconds that a word takes.
        history: seconds of sound that a recognizer hears at most.
        threads: of torch.
    """

    graph: ServedGraph
    policies: Mapping[str, Choice]
    chunk: float
    history: float = HISTORY_SECONDS
    threads: int = 1

    def __post_init__(self) -> None:
        """Check the policies."""
        require_policies(self.graph, self.policies)

    def replay(self, utterance: Utterance) -> Replay:
        """Replay an utterance; what it cannot compute is noted in its fault."""
        stream = Stream(self, utterance)
        times, clock = list(self._times(utterance)), 0.0
        try:
            for number, heard in enumerate(times, 1):
                clock = stream.step(heard, max(heard, clock), is_last=number == len(times))
            return stream.result
        except AntiphonError as error:
            return Replay(utterance_id=utterance.id, seconds=0.0, fault="; ".join(str(error).splitlines()))

    def call(self, served: ServedNode, work: Callable[[], T]) -> T:
        """Let a node compute."""
        with served.on_device(self.threads):
            return work()

    def _times(self, utterance: Utterance) -> Iterator[float]:
        """Yield after how many seconds of sound the steps begin."""
        words = split_units(utterance.text or "", utterance.source_language)
        length = utterance.audio.seconds if utterance.audio else len(words) * self.chunk
        n = 1
        while n * self.chunk < length - 1e-6:
            yield n * self.chunk
            n += 1
        yield length


def as_outcome(utterance_id: str, text: str, node: str) -> NBest:
    """Return a text as what a node gave for an utterance."""
    hypothesis = Hypothesis(text=text, score=0.0, n_tokens=len(text.split()), system=node)
    return NBest(utterance_id=utterance_id, hypotheses=(hypothesis,))


class Stream:
    """An utterance on its way through the nodes, prefix by prefix.

    Args:
        replayer: how.
        utterance: what is said, or as much of it as is there yet.
    """

    def __init__(self, replayer: Replayer, utterance: Utterance) -> None:
        self._replayer, self._utterance = replayer, utterance
        self._writers = {name: self._open(node) for name, node in replayer.graph.nodes.items()}
        self._source = split_units(utterance.text or "", utterance.source_language)
        self._deltas: dict[str, list[Delta]] = {name: [] for name in self._writers}
        self._seconds: dict[str, float] = {}
        self._steps: list[Step] = []
        self._clock = 0.0

    def _open(self, served: ServedNode) -> Writer:
        """Return the writer of a node, which has written nothing."""
        spoken = self._replayer.graph.pipeline.is_spoken(served.name)
        source, target = self._utterance.source_language, self._utterance.target_language
        return Writer(served, self._replayer.policies[served.name], source if spoken else target or source)

    def step(self, heard: float, clock: float, *, is_last: bool) -> float:
        """Let the nodes work on a longer prefix; returns the clock afterwards.

        Args:
            heard: seconds of sound that are there.
            clock: seconds since the sound began, now.
            is_last: whether nothing follows.

        Raises:
            AntiphonError: a node cannot compute it.
        """
        number, self._clock = len(self._steps), clock
        self._seconds = dict.fromkeys(self._writers, 0.0)
        for name, writer in self._writers.items():
            self._advance(writer, heard, number, is_last=is_last)
            delta = writer.take_delta(number, heard, self._clock)
            if delta is not None:
                self._take_down(name, delta)
        self._steps.append(Step(heard=heard, seconds=self._seconds))
        return self._clock

    @property
    def result(self) -> Replay:
        """What was written so far."""
        return Replay(
            utterance_id=self._utterance.id,
            seconds=self._steps[-1].heard,
            steps=tuple(self._steps),
            deltas={name: tuple(deltas) for name, deltas in self._deltas.items()},
            texts=self.texts,
        )

    @property
    def texts(self) -> dict[str, str]:
        """Node -> its text so far."""
        return {name: self._text_of(writer) for name, writer in self._writers.items()}

    def _take_down(self, name: str, delta: Delta) -> None:
        """Note what a node wrote."""
        self._deltas[name].append(delta)

    def _listen(self, start: float, seconds: float) -> Utterance:
        """Return the utterance with a stretch of its sound, which begins after ``start`` seconds.

        Raises:
            DataError: it has none.
        """
        audio = self._utterance.audio
        if audio is None:
            raise DataError("expected a recording, found text")
        update = {"offset": audio.offset + start, "seconds": seconds}
        return self._utterance.model_copy(update={"audio": audio.model_copy(update=update)})

    def _text_of(self, writer: Writer) -> str:
        return join_units(writer.all_units, writer.language) if writer.text is None else writer.text

    def _advance(self, writer: Writer, heard: float, step: int, *, is_last: bool) -> None:
        if PREFIXES[writer.served.node.kind.name] == "speech":
            self._hear(writer, heard, step, is_last=is_last)
        else:
            self._read(writer, heard, step, is_last=is_last)

    def _hear(self, writer: Writer, heard: float, step: int, *, is_last: bool) -> None:
        """Recognize the sound since the last cut."""
        whole = is_last and writer.is_untouched
        length = heard - writer.cut
        hypotheses = self._compute(writer, self._listen(writer.cut, length), {}, is_last=is_last)
        if hypotheses is None:
            return
        nbest, attended = hypotheses
        writer.note(nbest, step + 1, heard)
        writer.progress.length = length * FRAMES_PER_SECOND
        writer.progress.attended = [seconds * FRAMES_PER_SECOND for seconds in attended]
        writer.commit(is_last=is_last)
        if whole:
            writer.text = nbest.best.text
        elif not is_last and length > self._replayer.history - self._replayer.chunk:
            self._cut_sound(writer, nbest, heard)

    def _cut_sound(self, writer: Writer, nbest: NBest, heard: float) -> None:
        """Forget the sound of whole segments that are written; where there is none, write all of it first."""
        units, cut, segments = 0, 0.0, nbest.best.segments
        for segment in segments[:-1] if writer.policy.row.takes_back else segments:
            count = len(split_units(segment.text, writer.language))
            if units + count > writer.progress.written:
                break
            units, cut = units + count, segment.end
        if not cut:
            writer.commit(is_last=True)
            units, cut = writer.progress.written, heard - writer.cut
        writer.reopen(units)
        writer.cut += cut

    def _read(self, writer: Writer, heard: float, step: int, *, is_last: bool) -> None:
        """Translate the sentences that the input has ended, then the one that is being written."""
        source, stable = self._source_of(writer, step, is_last=is_last)
        if is_last and writer.is_untouched:
            above = self._above(writer)
            own = join_units(source, self._utterance.source_language)
            text = own if above is None else self._text_of(above)
            hypotheses = self._translate(writer, text, ends=True)
            if hypotheses is not None:
                writer.note(hypotheses[0], len(source), heard)
                writer.text = hypotheses[0].best.text
                writer.commit(is_last=True)
            return
        while True:
            cut = int(writer.cut)
            pending = source[cut:]
            end = next((n for n, unit in enumerate(source[cut:stable], 1) if ends_sentence(unit)), 0)
            if not end and not (is_last and pending):
                break
            end = end or len(pending)
            self._write(writer, pending[:end], heard, ends=True)
            writer.close()
            writer.cut += end
            writer.last_input = ""
        if pending and not is_last:
            self._write(writer, pending, heard, ends=False)
        elif not pending:
            writer.drop()

    def _write(self, writer: Writer, pending: Units, heard: float, *, ends: bool) -> None:
        above = self._above(writer)
        language = self._utterance.source_language if above is None else above.language
        text = join_units(pending, language)
        if text != writer.last_input:
            writer.last_input = text
            hypotheses = self._translate(writer, text, ends=ends)
            if hypotheses is None:
                return
            nbest, attended = hypotheses
            writer.note(nbest, len(pending), heard)
            writer.progress.length = len(pending)
            writer.progress.attended = [len(split_units(text[: int(at)], language)) - 1 for at in attended]
        elif not ends:
            return
        if writer.progress.hypotheses:
            writer.commit(is_last=ends)

    def _above(self, writer: Writer) -> Writer | None:
        """Return the writer of the text that a node reads; None where that is the data set's."""
        return next((self._writers[name] for name in writer.served.follows), None)

    def _source_of(self, writer: Writer, step: int, *, is_last: bool) -> tuple[list[str], int]:
        """Return the text that a node reads, in units, and how many of them stay."""
        above = self._above(writer)
        if above is not None:
            return above.all_units, len(above.all_units) if is_last else above.stable
        source = self._source if is_last else self._source[: step + 1]  # as much as is there
        return source, len(source)

    def _translate(self, writer: Writer, text: str, *, ends: bool) -> tuple[NBest, list[float]] | None:
        above = self._above(writer)
        if above is None:
            utterance = self._utterance.model_copy(update={"text": text})
            return self._compute(writer, utterance, {}, is_last=ends)
        name = above.served.name
        read = {name: as_outcome(self._utterance.id, text, name)}
        return self._compute(writer, self._utterance, read, is_last=ends)

    def _compute(
        self, writer: Writer, utterance: Utterance, outcomes: Mapping[str, NodeOutcome], *, is_last: bool
    ) -> tuple[NBest, list[float]] | None:
        """Return what a node gives for a prefix; None where it has nothing to do.

        Returns:
            Its hypotheses, and where the policy needs it what each unit of the best one attended to.
        """
        served, go_on = writer.served, continuation_of(writer.served.component)
        item = served.gather(utterance, outcomes)
        if item is None:
            return None
        begun, attends = writer.forced, writer.policy.row.attends and not is_last

        def work() -> tuple[NodeOutcome | None, Sequence[Attended]]:
            if go_on is None or not (begun or attends):
                return served.component([item])[0], ()
            try:
                return go_on(item, begun, attends)
            except ConfigError as error:
                raise ConfigError(
                    f"{served.name}: policy {writer.policy}: {error}; choose local_agreement"
                ) from None

        began = time.perf_counter()
        outcome, attended = self._replayer.call(served, work)
        seconds = time.perf_counter() - began
        self._seconds[served.name] += seconds
        self._clock += seconds
        if isinstance(outcome, Quarantined):
            raise DataError(f"{served.name}: {outcome.reason}: {outcome.detail}")
        if not isinstance(outcome, NBest):
            return None
        return outcome, spread_attention(outcome.best.text, attended, writer.language)

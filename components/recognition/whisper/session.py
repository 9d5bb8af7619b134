"""Whisper over utterances that come and go: in each batch a window of every utterance, then more of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice, zip_longest

from components.nodes.node_context import Item
from components.recognition.whisper.windows.decoding_state import WindowStream
from components.recognition.whisper.windows.opening import OpenedUtterance
from components.records import Outcome, Utterance

Outcomes = dict[int, Outcome]


class WhisperSession:
    """A :class:`~components.nodes.sessions.Session`.

    Args:
        prepare: opens an utterance under its key.
        admit: gives its streams; its outcome where it has none.
        decode: decodes the present windows of streams; gives those with windows left, and outcomes.
        text_before: gives the text of an utterance before all of its streams that are left.
        batch_size: windows of a step.
    """

    def __init__(
        self,
        prepare: Callable[[tuple[int, Utterance]], OpenedUtterance],
        admit: Callable[[Outcomes, OpenedUtterance], tuple[WindowStream, ...]],
        decode: Callable[[list[WindowStream], Outcomes], list[WindowStream]],
        text_before: Callable[[list[WindowStream]], str],
        batch_size: int,
    ) -> None:
        self._prepare, self._admit, self._decode, self._batch_size = prepare, admit, decode, batch_size
        self._text_before = text_before
        self._streams: dict[int, list[WindowStream]] = {}
        self._finished: Outcomes = {}

    @property
    def keys(self) -> frozenset[int]:
        """The utterances at work."""
        return frozenset(self._streams.keys() | self._finished.keys())

    def admit(self, key: int, item: Item) -> None:
        """Open an utterance; what has no speech is finished with the next step."""
        streams = self._admit(self._finished, self._prepare((key, item.utterance)))
        if streams:
            self._streams[key] = list(streams)

    def drop(self, key: int) -> None:
        """Forget an utterance."""
        self._streams.pop(key, None)
        self._finished.pop(key, None)

    def step(self) -> Mapping[int, Outcome]:
        """Decode one batch of windows; the outcomes of the utterances that are finished."""
        chosen = list(islice(self._next_windows(), self._batch_size))
        chosen.sort(key=lambda stream: stream.frames)  # rows of a batch end at about the same time
        if chosen:
            left = {id(stream) for stream in self._decode(chosen, self._finished)}
            ended = {id(stream) for stream in chosen} - left
            for key, streams in list(self._streams.items()):
                self._streams[key] = [stream for stream in streams if id(stream) not in ended]
        finished, self._finished = self._finished, {}
        for key in finished:
            self._streams.pop(key, None)
        return finished

    def begun(self, key: int) -> str:
        """Return the text of the windows before the first one that is left."""
        return self._text_before(self._streams[key])

    def _next_windows(self) -> Iterator[WindowStream]:
        """Yield the first window of every utterance in turn, then the second of each, and so on."""
        decodable = (
            [stream for stream in streams if stream.is_decodable] for streams in self._streams.values()
        )
        return (stream for stream in chain.from_iterable(zip_longest(*decodable)) if stream is not None)

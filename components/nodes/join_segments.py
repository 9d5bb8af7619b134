"""``join_segments``: transcripts of recordings, joined from what was recognized in their gold segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from typing_extensions import override

from components.errors import DataError
from components.nodes.facts import Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext, NodeSettings
from components.records import Hypothesis, NBest
from components.run_record import StageRef
from components.storage.stages.reader import read_best_texts, read_nbests, read_utterances
from components.storage.stages.whole_stage import StageFiles
from components.text.languages import without_spaces


class JoinSegmentsSettings(NodeSettings):
    """Empty: nothing can be set."""


class JoinSegments(Kind[JoinSegmentsSettings]):
    """Reads transcripts, their data, the segments as a data set, and the transcripts of the segments."""

    name = "join_segments"
    summary = "transcripts of recordings from those of their segments"
    settings = JoinSegmentsSettings
    reads = ("data", "text")
    inputs = (4, 4)
    mode = Mode.WHOLE
    version = "segments/1"
    stated = state(is_scored=False)

    @override
    def make(
        self, settings: JoinSegmentsSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Join them.

        Raises:
            DataError: no segment belongs to any of the recordings.
        """
        transcripts, data, pieces, recognized = (read[f"of{number}"] for number in range(4))
        joined = list(_join(data, transcripts, pieces, read_best_texts(recognized)))
        return StageFiles([], items=len(joined), records=joined)


def _join(
    data: StageRef, transcripts: StageRef, pieces: StageRef, recognized: Mapping[str, str]
) -> Iterator[NBest]:
    """Yield a transcript for each recording; one without segments keeps the transcript that it has."""
    segments = [
        (piece.audio, recognized[piece.id])
        for piece in read_utterances(pieces)
        if piece.audio and piece.id in recognized
    ]
    segments.sort(key=lambda segment: segment[0].offset)
    recordings = {utterance.id: utterance for utterance in read_utterances(data)}
    matched = 0
    for nbest in read_nbests(transcripts):
        whole = recordings[nbest.utterance_id]
        if whole.audio is None:  # it was spoken by a synthesizer, not recorded
            yield nbest
            continue
        start, end = whole.audio.offset, whole.audio.offset + whole.audio.seconds
        texts = [
            text
            for audio, text in segments
            if audio.sha256 == whole.audio.sha256 and start <= audio.offset < end
        ]
        matched += bool(texts)
        between = "" if without_spaces(whole.source_language) else " "
        best = Hypothesis(text=between.join(texts), score=0.0, n_tokens=len(texts), system="gold segments")
        yield nbest.model_copy(update={"hypotheses": (best,)}) if texts else nbest
    if not matched:
        raise DataError("segments: expected stretches of the data's recordings, found none of the same file")

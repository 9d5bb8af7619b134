"""Forms of an answer: OpenAI's json, text, srt, vtt and verbose_json, and what every node gave."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from components.export.format import ExportSettings
from components.export.formats import FORMATS
from components.export.recording_text import RecordingText, TextPart, make_part
from components.pipeline.pipeline import SOURCE, TARGET
from components.records import Hypothesis, NBest, Quarantined, Route, Segment
from components.serving.http.faults import RequestError
from components.serving.requests import GraphRequest
from components.text.languages import UNDETERMINED, english_name


def text_of(request: GraphRequest) -> NBest:
    """Return the text that was asked for.

    Raises:
        RequestError: why there is none.
    """
    if request.text is not None:
        return request.text
    fault = request.fault
    if fault is not None:
        detail = fault.detail.removeprefix(f"{request.utterance.id}: ")
        if request.utterance.audio is not None:
            where = request.utterance.audio.path
            detail = detail.replace(f"{where}: ", "").replace(where, "the file")
        raise RequestError(400, detail, fault.reason.replace(" ", "_"))
    what = "speech" if request.utterance.audio is not None else "text"
    raise RequestError(400, f"{request.node}: expected something to do, found {what}, which it does not read")


def language_of(request: GraphRequest) -> str:
    """Return the language of the text that was asked for."""
    utterance, role = request.utterance, request.graph.pipeline.language_of(request.node)
    stated = request.text.language if request.text is not None else None
    if role == SOURCE:
        return stated or utterance.source_language
    return (utterance.target_language or UNDETERMINED) if role == TARGET else role


def as_json(request: GraphRequest) -> dict[str, Any]:
    """Return ``{"text": ...}``."""
    return {"text": text_of(request).best.text}


def as_text(request: GraphRequest) -> str:
    """Return the text and the end of its line."""
    return f"{text_of(request).best.text}\n"


def as_subtitles(form: str) -> Callable[[GraphRequest], str]:
    """Return what lays a text out as ``antiphon export`` does."""

    def encode(request: GraphRequest) -> str:
        part = _part_of(request)
        layout = FORMATS[form].layout
        assert layout is not None
        text = RecordingText("request", request.node, request.utterance.stretch is not None, [part])
        return FORMATS[form].encode([text], layout.lay_out(text, ExportSettings()), ExportSettings()).decode()

    return encode


def _part_of(request: GraphRequest) -> TextPart:
    """Return the text with times: its own, or those of the transcript that it was made from."""
    best, translated = text_of(request), request.graph.pipeline.is_translated(request.node)
    return make_part(
        request.utterance, best, language_of(request), _transcript_of(request), translated=translated
    )


def _transcript_of(request: GraphRequest) -> NBest | None:
    """Return the transcript that a translation was made from."""
    pipeline = request.graph.pipeline
    if not pipeline.is_translated(request.node):
        return None
    spoken = [name for name in request.nodes if pipeline.is_spoken(name)]
    texts = [o for name in reversed(spoken) if isinstance(o := request.outcomes.get(name), NBest)]
    return texts[0] if texts else None


def as_verbose_json(request: GraphRequest) -> dict[str, Any]:
    """Return the text with its segments."""
    best, utterance = text_of(request).best, request.utterance
    segments = best.segments or [  # a stack has none of its own
        Segment(start=timed.start, end=timed.end, text=timed.text) for timed in _part_of(request).segments
    ]
    return {
        "task": "translate" if request.graph.pipeline.is_translated(request.node) else "transcribe",
        "language": english_name(language_of(request)).lower(),
        "duration": utterance.audio.seconds if utterance.audio is not None else 0.0,
        "text": best.text,
        "segments": [_segment(number, segment, best) for number, segment in enumerate(segments)],
    }


def words_of(request: GraphRequest) -> list[dict[str, Any]]:
    """Return the words of the text with their times, in seconds.

    Raises:
        RequestError: the graph does not time words.
    """
    best = text_of(request).best
    words = [word for segment in best.segments for word in segment.words]
    if best.text and not words:
        raise untimed_words(request.node)
    return [{"word": word.text.strip(), "start": word.start, "end": word.end} for word in words]


def untimed_words(node: str) -> RequestError:
    """Return what a client is told who asks for words of a node that does not time them."""
    return RequestError(
        400,
        f"timestamp_granularities: expected a graph that times words, found none at {node}; set word_times: "
        "true on its recognizer (a translation of its text has none)",
        param="timestamp_granularities",
    )


def _segment(number: int, segment: Segment, best: Hypothesis) -> dict[str, Any]:
    content, mean = segment.text.encode(), best.score / max(1, best.n_tokens)
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": best.features.get("temperature", 0.0),
        "avg_logprob": mean if segment.mean_log_prob is None else segment.mean_log_prob,
        "compression_ratio": len(content) / max(1, len(zlib.compress(content))),
        "no_speech_prob": best.features.get("no_speech"),
    }


def as_nodes(request: GraphRequest) -> dict[str, Any]:
    """Return the text, and what every node gave."""
    return {"text": text_of(request).best.text, "nodes": describe_nodes(request)}


def describe_nodes(request: GraphRequest) -> dict[str, dict[str, Any]]:
    """Return what every node gave, and the seconds that it took, as JSON values."""
    described: dict[str, dict[str, Any]] = {}
    for name, outcome in request.outcomes.items():
        if isinstance(outcome, NBest):
            described[name] = {"text": outcome.best.text, "score": outcome.best.score}
        elif isinstance(outcome, Route):
            described[name] = {"branch": outcome.branch, "value": outcome.value}
        elif isinstance(outcome, Quarantined):
            described[name] = {"quarantined": outcome.reason}
        else:
            described[name] = {}
        described[name]["seconds"] = round(request.seconds.get(name, 0.0), 4)
    return described


FORMS: dict[str, tuple[str, Callable[[GraphRequest], Any]]] = {
    "json": ("application/json", as_json),
    "text": ("text/plain", as_text),
    "srt": ("text/plain", as_subtitles("srt")),
    "vtt": ("text/vtt", as_subtitles("vtt")),
    "verbose_json": ("application/json", as_verbose_json),
    "nodes": ("application/json", as_nodes),
}
"""``response_format`` -> its media type, and what writes it."""

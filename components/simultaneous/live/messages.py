"""What clients send after each other: a hello, then sound or words, then the end."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.errors import ConfigError
from components.serving.graph import ServedGraph
from components.serving.http.audio_endpoints import language_in
from components.serving.http.faults import RequestError
from components.serving.http.uploads import read_json
from components.simultaneous.requirements import choose_policies
from components.text.languages import UNDETERMINED
from components.text.suggestions import suggest
from components.text.validation_faults import describe_value_fault

MAX_CHANNELS = 8


class Hello(BaseModel):
    """The first message, as JSON.

    Attributes:
        channels: of the sound, a speaker each; their samples are interleaved.
        source_language: in place of the graph's.
        target_language: likewise.
        policy: in place of the server's.
        chunk: likewise, in seconds.
        skip: whether a step takes all sound that has come where computing is behind, not chunk by chunk.
    """

    model_config = ConfigDict(extra="forbid")

    channels: int = Field(1, ge=1, le=MAX_CHANNELS)
    source_language: str | None = None
    target_language: str | None = None
    policy: str | None = Field(None, max_length=1000)
    chunk: float | None = Field(None, ge=0.05, le=60)
    skip: bool = False

    def languages(self, graph: ServedGraph) -> tuple[str, str | None]:
        """Return the language of what is said, and that to translate into."""
        source, target = graph.pipeline.languages
        return (
            language_in(self.source_language, "source_language") or source or UNDETERMINED,
            language_in(self.target_language, "target_language") or target,
        )


class Piece(NamedTuple):
    """Sound, or words; what ends a stream has neither."""

    sound: bytes = b""
    text: str = ""


def read_hello(message: dict[str, Any], graph: ServedGraph) -> Hello:
    """Read the first message.

    Raises:
        RequestError: it is none.
    """
    text = message.get("text")
    if text is None:
        raise RequestError(400, 'expected a hello as JSON first, such as {"channels": 1}, found binary data')
    try:
        hello = Hello.model_validate(read_json(text))
        if hello.policy is not None:
            choose_policies(hello.policy, graph, appends=True)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        hint = suggest(where, Hello.model_fields) if fault["type"] == "extra_forbidden" else ""
        raise RequestError(400, f"{where}: {describe_value_fault(dict(fault))}{hint}", param=where) from None
    except ConfigError as error:
        raise RequestError(400, str(error), param="policy") from None
    return hello


def read_piece(message: dict[str, Any], hello: Hello, *, hears: bool) -> Piece:
    """Read a message after the first one.

    Raises:
        RequestError: it is none.
    """
    content = message.get("bytes")
    if content is None:
        value = read_json(message["text"])
        if value == {"end": True} and value["end"] is True:
            return Piece()
        text = value.get("text") if len(value) == 1 and not hears else None
        if not isinstance(text, str):
            wanted = "samples (binary)" if hears else '{"text": "..."}'
            raise RequestError(400, f'expected {wanted} or {{"end": true}}, found other JSON')
        return Piece(text=text or " ")
    if not hears:
        raise RequestError(400, 'expected {"text": "..."}, as the graph reads texts, found binary data')
    frame = 2 * hello.channels
    if not content or len(content) % frame:
        what = f"samples of 2 bytes in {hello.channels} channels"
        raise RequestError(
            400, f"expected {what}, found {len(content)} bytes, which are no multiple of {frame}"
        )
    return Piece(sound=content)

"""Good files of every form that is read."""

from __future__ import annotations

import io
import json
import random
import tempfile
import wave
from functools import cache
from pathlib import Path
from typing import Any

from components.export.for_edit import write_for_edit
from tests.components.editing.texts import by_id, segment, spoken, written

CUES = """\
1
00:00:01,000 --> 00:00:02,000 X1:0 X2:10
<i>Hello</i> there.

2
00:00:02,500 --> 00:00:04,000
- {\\an8}Second &amp; <font color="#fff">last</font> cue
at 10:30.

"""
VTT = "WEBVTT - film\n\nNOTE x\n\nSTYLE\n::cue { color: red }\n\n" + CUES.replace(",", ".").split("\n", 1)[1]
VTT = VTT.replace("\n2\n", "\nid\n").replace(" X1:0 X2:10", " align:start").replace("- {", "<v Ann>{")
TERMS = (
    "# terms\nsource\ttarget\tboost\trequire\ncafé\tKaffeehaus\t1.5\tyes\n\nKovalenko\t\t\t\nIT\tEDV\t2\tno\n"
)
ROWS = [
    {"id": "u1", "text": "A dog runs.", "source_language": "en", "references": ["Ein Hund rennt."]},
    {
        "id": "u2",
        "text": "It sleeps.",
        "source_language": "en",
        "target_language": "de",
        "references": "Er schläft.",
    },
    {
        "id": "u3",
        "source_language": "en",
        "segments": [{"start": 0, "end": 1.5, "transcript": "yes", "speaker": "a"}],
    },
    {
        "id": "u4",
        "audio": "a.wav",
        "offset": 0.1,
        "duration": 0.2,
        "transcript": "x",
        "source_language": "en",
    },
]
GRAPH = """\
target_language: de
defaults: {translate: {beam_size: 2}}
nodes:
  words: {kind: recognize, beam_size: 1, n_best: 1}
  de: {kind: translate, of: words, model: &m packaged:multi30k-en-de}
  way:
    kind: route
    of: de
    by: confidence
    below: 0.7
  again: {kind: refine, of: de, when: way.escalate, model: *m}
  best: {kind: select, of: [de, again]}
outputs: {translation: best}
"""
RECIPE = """\
merge_method: ties
base_model: ./base
models:
  - {model: ./a, parameters: {weight: 0.5, density: [0.1, 0.5]}}
  - model: ./b
    parameters: {weight: [{filter: mlp, value: 0.3}, {value: 1}]}
parameters: {normalize: true}
dtype: float32
"""
SCORES = "id\tsystem\tvalue\tannotator\nu1\ta\t80\tann\nu1\tb\t70.5\tann\nu2\ta\t90\tben\n"
ANSWERS = """\
item\toutput\tsource\ttext\tscore\tcomment
item-1\tA\ta dog\tein Hund\t90\t
item-1\tB\ta dog\tHund\t45,5\t"x"
"""
COMPLETION = {
    "choices": [
        {
            "message": {"content": "<think>x</think> Ein Hund", "refusal": None},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "Ein", "logprob": -0.1}, {"token": " Hund", "logprob": -0.5}]},
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    "system_fingerprint": "x",
}
LINES = b'{"id": "u1", "text": "x"}\n{"id": "c", "text": "y"}\n'
EDITED = by_id(
    written("u1", "Guten  Tag.", "Good day."), written("b", "=1+1", "1+1"), written("c", "Das Ende.")
)
SPOKEN = by_id(
    spoken("u1", segment(1.0, 2.0, "Hello there."), segment(2.5, 4.0, "last")),
    spoken("u2", segment(1, 3, "x"), offset=10),
)
CONFIG = {
    "architectures": ["MarianMTModel"], "model_type": "marian", "vocab_size": 100, "encoder_layers": 2,
    "eos_token_id": 1, "bad_words_ids": [[1]], "nested": {"num_experts": 2},
}  # fmt: skip


@cache
def edited_file(form: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        texts = SPOKEN if form == "srt" else by_id(written("u1", "Guten Morgen."), *list(EDITED.values())[1:])
        (file,) = write_for_edit(texts, form, Path(folder) / f"mt.{form}", "mt", overwrite=True)
        return file.read_bytes().replace(b"there", b"you")


@cache
def recording() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(random.Random(0).randbytes(8_000))
    return out.getvalue()


def safetensors() -> bytes:
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}'
    return len(header).to_bytes(8, "little") + header + bytes(8)


def manifest() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def common_voice(separator: str) -> bytes:
    """A table as Common Voice writes it."""
    header = ["sentence", "path", "id", "locale", "translation"]
    rows = [header, *([row.get("text", "x"), "", row["id"], "en", "y"] for row in ROWS)]
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()

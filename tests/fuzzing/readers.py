"""The readers: of each a good file, what reads it, and how it is damaged."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from components import audio
from components.campaign.unblinding import read_answers
from components.data import load
from components.editing.editable_text import EditableText
from components.editing.edited_files import Origin, read_edits
from components.endpoints.chat_answer import CompletionForm
from components.endpoints.chat_answer import read_answers as read_choices
from components.endpoints.connection import Connection
from components.endpoints.endpoint import Endpoint
from components.errors import ConfigError
from components.merging.recipe.reader import parse_recipe
from components.metrics.scores_file import read_scores
from components.metrics.scores_settings import ScoresFile
from components.models.checkpoints import checkpoint_of
from components.text.term_list import read_terms
from components.translation.context.few_shot_examples import read_examples
from tests.fuzzing import seeds
from tests.fuzzing.mutations import mutate, mutate_json, mutate_lines, mutate_parts
from tests.fuzzing.stores import archived_files, mutate_members, mutate_stored, pack, read_archive, read_store
from tests.graph_text import parse_pipeline

GOLDEN = Path(__file__).parents[1] / "golden" / "pearmut"
ORIGIN = Origin(node="mt", stage="0" * 64, by="ann", at="2026-01-01T00:00:00+00:00")


class Reader(NamedTuple):
    """A reader.

    Attributes:
        name: of the file that it is given.
        seed: a good one.
        read: reads a file.
        mutations: ways to damage it.
    """

    name: str
    seed: Callable[[], bytes]
    read: Callable[[Path], object]
    mutations: tuple[Callable[[bytes, random.Random], bytes], ...] = (mutate, mutate_lines)


def _load(path: Path) -> None:
    (path.parent / "a.wav").write_bytes(seeds.recording())
    load(str(path), source_language="en")


def _edits(texts: Mapping[str, EditableText]) -> Callable[[Path], object]:
    return lambda path: read_edits(path, texts, ORIGIN, "de")


def _answers(path: Path) -> None:
    read_answers([path], "example")


def _scores(path: Path) -> None:
    read_scores(ScoresFile(file=str(path), name="esa"))


@cache
def _connection() -> Connection:
    return Connection(Endpoint(name="x", model="x", url="http://127.0.0.1:9/v1"))


def _served(path: Path) -> None:
    async def answer(client: object) -> str:
        return path.read_bytes().decode("utf-8", "replace")

    read_choices(_connection().send(answer, CompletionForm, retries=0), "served:x")


def _parse(parse: Callable[[str, str], object]) -> Callable[[Path], object]:
    def read(path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError("expected UTF-8") from error
        parse(text, path.name)

    return read


def _model(path: Path) -> None:
    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(json.dumps(seeds.CONFIG).encode())
    (folder / "model.safetensors").write_bytes(seeds.safetensors())
    shutil.copy(path, folder / path.name)
    checkpoint_of(folder, "m")


def _recording(path: Path) -> None:
    audio.decode(audio.describe(path))


JSON = (mutate, mutate_json)
JSON_LINES = (mutate, mutate_lines, mutate_json)
PARTS = (mutate, mutate_parts, mutate_parts)
READERS = {
    "srt": Reader("film.en.srt", seeds.CUES.encode, lambda path: load(str(path))),
    "vtt": Reader("film.en.vtt", seeds.VTT.encode, lambda path: load(str(path))),
    "terms": Reader("terms.tsv", seeds.TERMS.encode, read_terms),
    "examples": Reader("x.jsonl", lambda: b'{"source": "a", "target": "b"}\n' * 3, read_examples, JSON_LINES),
    "edited table": Reader("mt.tsv", lambda: seeds.edited_file("tsv"), _edits(seeds.EDITED)),
    "edited lines": Reader("mt.jsonl", lambda: seeds.LINES, _edits(seeds.EDITED), JSON_LINES),
    "edited subtitles": Reader("talk.srt", lambda: seeds.edited_file("srt"), _edits(seeds.SPOKEN)),
    "edited document": Reader("mt.docx", lambda: seeds.edited_file("docx"), _edits(seeds.EDITED), PARTS),
    "pearmut log": Reader("a.jsonl", (GOLDEN / "annotations.jsonl").read_bytes, _answers, JSON_LINES),
    "pearmut download": Reader("a.json", (GOLDEN / "download.json").read_bytes, _answers, JSON),
    "answer table": Reader("a.tsv", seeds.ANSWERS.encode, _answers),
    "scores": Reader("s.tsv", seeds.SCORES.encode, _scores),
    "served answer": Reader("a.json", lambda: json.dumps(seeds.COMPLETION).encode(), _served, JSON),
    "graph": Reader("g.yaml", seeds.GRAPH.encode, _parse(parse_pipeline)),
    "recipe": Reader("r.yaml", seeds.RECIPE.encode, _parse(parse_recipe)),
    "manifest jsonl": Reader("m.jsonl", seeds.manifest, _load, JSON_LINES),
    "manifest tsv": Reader("m.tsv", lambda: seeds.common_voice("\t"), _load),
    "manifest csv": Reader("m.csv", lambda: seeds.common_voice(","), _load),
    "manifest text": Reader("m.txt", seeds.CUES.encode, lambda path: load(str(path), source_language="en")),
    "archive tar": Reader("x.tar", lambda: pack(archived_files(), ""), read_archive, (mutate,)),
    "archive gz": Reader("x.tar.gz", lambda: pack(archived_files(), "gz"), read_archive, (mutate,)),
    "archive members": Reader("x.tgz", lambda: pack(archived_files(), "gz"), read_archive, (mutate_members,)),
    "store": Reader("x", lambda: b"\0{}", read_store, (mutate_stored,)),
    "model configuration": Reader("config.json", lambda: json.dumps(seeds.CONFIG).encode(), _model, JSON),
    "safetensors": Reader("model.safetensors", seeds.safetensors, _model, (mutate,)),
    "wav": Reader("a.wav", seeds.recording, _recording, (mutate,)),
}

"""Hayhooks's wrapper of a Haystack pipeline of one component: faster-whisper, as its documentation writes it.

Hayhooks loads this file by itself, in an environment of its own; what it needs is told by two variables.
"""

from __future__ import annotations

import io
import os
from typing import Any

from fastapi import UploadFile
from faster_whisper import WhisperModel
from hayhooks import BasePipelineWrapper
from haystack import Pipeline, component


@component
class Recognizer:
    def __init__(self, folder: str, threads: int) -> None:
        options = {"device": "cpu", "compute_type": "float32", "cpu_threads": threads}
        self._model = WhisperModel(folder, local_files_only=True, **options)

    @component.output_types(text=str)  # type: ignore[untyped-decorator]
    def run(self, content: bytes) -> dict[str, str]:
        segments, _ = self._model.transcribe(io.BytesIO(content), language="en", beam_size=1)
        return {"text": "".join(segment.text for segment in segments).strip()}


class PipelineWrapper(BasePipelineWrapper):  # type: ignore[misc]
    def setup(self) -> None:
        self.pipeline = Pipeline()
        recognizer = Recognizer(os.environ["RECOGNIZER_FOLDER"], int(os.environ["RECOGNIZER_THREADS"]))
        self.pipeline.add_component("recognizer", recognizer)

    def run_api(self, files: list[UploadFile] | None = None) -> str:
        content: Any = (files or [])[0].file.read()
        return str(self.pipeline.run({"recognizer": {"content": content}})["recognizer"]["text"])

"""A plain service over faster-whisper, as tutorials write it: one request after the other, nothing shared.

python plain.py CTRANSLATE2_FOLDER PORT THREADS
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, Form, UploadFile
from faster_whisper import WhisperModel

model = WhisperModel(
    sys.argv[1], device="cpu", compute_type="float32", cpu_threads=int(sys.argv[3]), local_files_only=True
)
app = FastAPI()


@app.post("/v1/audio/transcriptions")
def transcribe(
    file: Annotated[UploadFile, File()], response_format: Annotated[str, Form()] = "json"
) -> dict[str, str]:
    segments, _ = model.transcribe(io.BytesIO(file.file.read()), language="en", beam_size=1)
    return {"text": "".join(segment.text for segment in segments).strip(), "format": response_format}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")

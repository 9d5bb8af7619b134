"""The names of the formats, which are the endings of their files."""

from __future__ import annotations

from typing import Literal

TextFormat = Literal["txt", "srt", "vtt", "tsv", "jsonl", "json", "parquet"]

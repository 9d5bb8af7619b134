"""Audio files -> 16 kHz mono float32 samples: probed first and within limits, wherever they lie.

FFmpeg's libraries (through PyAV) read the containers and resample. A file is opened by us and handed to
FFmpeg as a stream with a short list of allowed formats, so neither a name such as ``http://...`` or
``concat:...`` nor a playlist inside a file can make FFmpeg open anything else. Channels are averaged.

Precision: WAV and FLAC at 16 kHz mono, 16 bit, are the stored integers / 32768, exactly; offsets into WAV
and FLAC are exact to a sample of the file's rate. In lossy formats a stretch begins within a sample of its
offset, and its samples may differ slightly from those of a decoding from the start.
"""

from __future__ import annotations

from components.audio.container import FORMATS, LIMITS, Limits
from components.audio.decoding import SAMPLE_RATE, Samples, decode
from components.audio.local_files import find_local_file, local_file
from components.audio.probing import Probe, Stretch, describe, describe_all, probe, recall_all

__all__ = [
    "FORMATS",
    "LIMITS",
    "SAMPLE_RATE",
    "Limits",
    "Probe",
    "Samples",
    "Stretch",
    "decode",
    "describe",
    "describe_all",
    "find_local_file",
    "local_file",
    "probe",
    "recall_all",
]

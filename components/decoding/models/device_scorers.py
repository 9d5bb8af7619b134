"""Token scorers for decoders off the CPU, which a family brings in the group ``antiphon.device_scorers``.

An entry is the class of a scorer, its name the decoder that it runs: ``marian_decoder`` has the arguments of
:class:`.seq2seq_scorer.Seq2SeqScorer`, ``whisper_decoder`` those of :class:`.whisper.WhisperTokenScorer`.
"""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

DEVICE_SCORERS: Extensions[Any] = Extensions("antiphon.device_scorers", "device scorer", accept_any)

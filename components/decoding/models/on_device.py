"""What of decoders runs otherwise off the CPU; a family brings it in the group ``antiphon.device_decoding``.

Entries are classes. ``marian_scorer`` has the arguments of :class:`.seq2seq_scorer.Seq2SeqScorer`,
``whisper_scorer`` those of :class:`.whisper.WhisperTokenScorer`, and ``self_attention`` those of
:class:`components.decoding.caches.kv_cache.GrowingPast`.
"""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

ON_DEVICE: Extensions[Any] = Extensions("antiphon.device_decoding", "part of a decoder", accept_any)

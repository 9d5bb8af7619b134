"""The row of the backend ``served``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from components.models.references import split_reference
from components.recognition.backends.windowed import ModuleBackend

if TYPE_CHECKING:
    from components.records import Checkpoint


class Served(ModuleBackend):
    """Recognizers behind an OpenAI-compatible transcription endpoint."""

    reads = "a model such as served:whisper-large-v3"
    schemes = architectures = ("served",)
    version = "1"
    module, extra = "openai", "served"
    settings = frozenset({"backend", "word_times", "vad"})
    is_elsewhere = True

    @override
    def require_files(self, checkpoint: Checkpoint) -> None:
        from components.endpoints.transcription import open_transcription  # noqa: PLC0415 - an extra

        open_transcription(split_reference(checkpoint.reference)[1]).probe()

    @override
    def functions(self) -> Any:
        from components.recognition.backends.served import decoder  # noqa: PLC0415 - an extra

        return decoder

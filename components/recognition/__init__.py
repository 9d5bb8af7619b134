"""Speech -> transcript n-best with scores, segments and per-token log-probabilities."""

from components.recognition.building import Listener, build
from components.recognition.config import RecognitionConfig
from components.recognition.recogniser import Recognizer

__all__ = ["Listener", "RecognitionConfig", "Recognizer", "build"]

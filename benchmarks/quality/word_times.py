"""Word times of the human recordings beside openai-whisper's ``transcribe(word_timestamps=True)``."""

"""Converters of other model formats (GGUF, CTranslate2, openai-whisper's) into transformers folders."""

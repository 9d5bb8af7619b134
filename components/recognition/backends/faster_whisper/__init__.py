"""``faster-whisper``: Whisper by CTranslate2 (extra ``fast``)."""

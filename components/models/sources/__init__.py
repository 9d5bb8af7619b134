"""Where models come from: the hub, openai-whisper, a stage of the store, a file on disk."""

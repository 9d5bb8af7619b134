"""Other file formats of models into folders that transformers and openai-whisper load."""

"""What accepts a proposed text, and what ends the rounds."""

"""What presets ask beside the settings of their nodes."""

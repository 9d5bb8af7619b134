"""Steps recorded as CUDA graphs; they choose what plain steps choose."""

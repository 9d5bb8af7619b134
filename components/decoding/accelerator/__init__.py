"""Steps of searches off the CPU; they choose what plain steps choose."""

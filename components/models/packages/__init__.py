"""Models that ship or come from package registries."""

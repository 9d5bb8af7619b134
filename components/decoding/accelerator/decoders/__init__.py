"""Decoders off the CPU, which ask the device for nothing in a step."""

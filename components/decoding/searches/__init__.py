"""The searches: beam, greedy, sampling, speculative, forced, deliberation, edit diffusion."""

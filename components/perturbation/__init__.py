"""Speech and text made worse on purpose, by a stated amount: what a system loses of it is its robustness."""

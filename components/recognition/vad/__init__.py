"""Voice activity detection, and the windows that long audio is cut into at its pauses."""

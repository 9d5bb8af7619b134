"""Keys and values of earlier steps, reordered with the beam."""

"""Input model folders read slice by slice, and the output folder: weights, configuration, the recipe and its lineage."""

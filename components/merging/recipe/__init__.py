"""A merge recipe in mergekit's YAML as data: what is merged into what, with which parameters, and where in the file each value stands."""

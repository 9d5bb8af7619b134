"""Reading the models of a merge slice by slice, and writing the output folder."""

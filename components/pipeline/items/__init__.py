"""The items of nodes: which of a data set a node has to do with, and what it reads for each."""

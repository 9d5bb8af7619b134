"""From a written file to a graph, with every fault at its place."""

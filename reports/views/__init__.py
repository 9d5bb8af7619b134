"""A finished run as every report reads it: nodes, utterances, alignments with the references, steps."""

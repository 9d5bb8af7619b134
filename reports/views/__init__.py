"""A finished run as rows that every report reads: nodes, utterances, alignments with the references, steps of one utterance."""

"""System combination: finished n-best lists of several systems become one output per utterance."""

"""System combination: the finished n-best lists of several systems become one output per utterance (ROVER, minimum Bayes risk, reranking)."""

"""The output's tokenizer, and input embeddings rearranged to its token ids."""

"""Text -> text n-best, by any encoder-decoder model or prompted decoder-only model of transformers."""

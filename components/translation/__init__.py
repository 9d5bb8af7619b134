"""Text -> n-best translations, by encoder-decoder models and prompted decoder-only models."""

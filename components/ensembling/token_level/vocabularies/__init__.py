"""Members with different tokenizers in one search: over mapped pieces, or over texts that they agree on."""

"""Models behind OpenAI-compatible endpoints: where they are, requests, answers that are kept, prices."""

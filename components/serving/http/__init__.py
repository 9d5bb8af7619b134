"""OpenAI's endpoints over a served graph: who may ask, bodies in, answers out, and the HTTP server."""

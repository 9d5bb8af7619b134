"""Steps that some graphs take before they run: models that are chosen, copies for development data, edits."""

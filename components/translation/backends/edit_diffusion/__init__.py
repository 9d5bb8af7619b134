"""``edit-diffusion``: models that write a translation by steps of edits."""

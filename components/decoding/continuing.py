"""Texts whose beginning is written already: what goes on with them comes by entry points when one does."""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

CONTINUING: Extensions[Any] = Extensions("antiphon.continuing", "way to go on with a text", accept_any)
"""``search``: behind a forced prefix; ``begun``: what a translation begins with; ``recognizer`` and
``translator``: outcomes of inputs that grow; ``attention``: what a translation attends to."""

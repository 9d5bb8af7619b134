"""Many models become one: merged tensor by tensor, averaged, or added up as task vectors."""

from components.merging.doctor import Diagnosis, examine
from components.merging.engine import VERSION, Options, merge
from components.merging.methods import METHODS
from components.merging.recipe import Recipe, from_text, read
from components.merging.references import opened

__all__ = [
    "METHODS",
    "VERSION",
    "Diagnosis",
    "Options",
    "Recipe",
    "examine",
    "from_text",
    "merge",
    "opened",
    "read",
]

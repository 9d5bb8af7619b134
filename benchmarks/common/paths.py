"""Where the repository, its pages of results and the shared data folder are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
SHARED = Path(os.environ.get("ANTIPHON_SHARED", ROOT.parent / "shared"))
"""Multi30k and the human recordings, which are not part of the repository."""

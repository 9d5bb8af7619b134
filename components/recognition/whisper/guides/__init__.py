"""What guides Whisper's search beside the model, by the setting that asks for it.

An entry of the group ``antiphon.recognition_guides`` makes a :class:`.guide.Guide` of the recognizer's
settings, the store and the task; its name is the setting.
"""

from __future__ import annotations

from typing import Any

from components.extensions import Extensions, accept_any

GUIDES: Extensions[Any] = Extensions("antiphon.recognition_guides", "guide", accept_any)

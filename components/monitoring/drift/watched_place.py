"""What the looks at one place have met: a folder that is replaced every night is one watched life."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from components.files.canonical_json import digest_of
from components.files.files import encode_json, read_json
from components.monitoring.drift.pairing import prepend_earlier
from components.monitoring.drift.profile import PROFILE, Profile, read_profile
from components.run_record import RunRecord, StageRef
from components.storage.store import Store


class WatchedPlace:
    """The utterances of a data set, or of a folder of recordings, that earlier looks have met.

    Args:
        accepted: the run that it is compared with, beside whose record they are kept: numbers, neither texts
            nor sound.
        parameters: of a run over what is there, which name it (data or audio).
        store: of both runs.

    Attributes:
        run_name: of the run over what is there: the accepted run's, the folder's, and a digest of its path.
        earlier: what was met so far; None before the first look.

    Raises:
        StoreError: what was kept is damaged.
    """

    def __init__(self, accepted: RunRecord, parameters: Mapping[str, object], store: Store) -> None:
        source = str(parameters.get("audio") or parameters.get("data"))
        if Path(source).exists():
            source = str(Path(source).resolve())
        digest = digest_of(source)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(source).stem).strip("-")[:30]
        self.run_name = f"{accepted.name[:62]}-{stem}-{digest[:6]}"
        self._file = f"runs/{accepted.name}/watched-{digest[:16]}.json"
        self._files = store.backend.files
        self.earlier = read_profile(self._file, store, "delete it, and the watched life begins anew")

    def add(self, ref: StageRef) -> None:
        """Keep what a look has met, whose analysis is given, for the next one."""
        met = Profile.model_validate(read_json(Path(ref.path) / PROFILE))
        if self.earlier is not None:
            met = prepend_earlier(self.earlier, met)
        self._files.write(self._file, encode_json(met.model_dump(mode="json")))

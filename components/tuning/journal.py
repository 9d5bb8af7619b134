"""The tries of a search that is at work, in Optuna's own format: a journal of JSON lines.

A search that was killed finds here what it had computed; Optuna's dashboard and its plots read it as well.
Only settings, values and the record of each try are written, so nothing in it can be executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from components.files.canonical_json import digest_of
from components.tuning.samplers import directions_of
from components.tuning.study import Try
from components.tuning.variables import SearchSpace

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution

_RECORD = "antiphon"
"""User attribute of a trial that holds the record of the try."""
_STUDY = "antiphon"


class StudyJournal:
    """A journal that one process writes.

    Args:
        path: of the file; what a kill left of its last line is cut off.
        space: the variables.
        signs: 1 for each objective of which more is better, else -1.
    """

    def __init__(self, path: Path, space: SearchSpace, signs: Sequence[int]) -> None:
        import optuna  # noqa: PLC0415 - 0.4 s
        from optuna.storages import JournalStorage  # noqa: PLC0415
        from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        _cut_torn_line(path)
        Path(f"{path}.lock").unlink(missing_ok=True)  # of a killed process: the stage itself is locked
        storage = JournalStorage(JournalFileBackend(str(path)))
        directions = directions_of(signs)
        self._space = space
        self._study: OptunaStudy = optuna.create_study(
            storage=storage, study_name=_STUDY, directions=directions, load_if_exists=True
        )

    def read(self) -> dict[str, Try]:
        """Return the tries by the digests of their settings; what another version wrote is left out."""
        tries: dict[str, Try] = {}
        for trial in self._study.get_trials(deepcopy=False):
            try:
                each = Try.model_validate_json(trial.user_attrs.get(_RECORD, ""))
            except ValidationError:
                continue
            tries[digest_of(each.settings)] = each
        return tries

    def append(self, each: Try) -> None:
        """Write a try, durably."""
        from optuna.trial import TrialState, create_trial  # noqa: PLC0415 - 0.4 s

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        shown: dict[str, tuple[Any, BaseDistribution]] = {}
        for key, value in each.settings.items():
            shown |= self._space.variables[key].domain.parameters(key, value)
        one = len(self._study.directions) == 1
        self._study.add_trial(
            create_trial(
                state=states[each.state],
                values=each.values if each.state == "complete" else None,
                params={name: value for name, (value, _) in shown.items()},
                distributions={name: distribution for name, (_, distribution) in shown.items()},
                user_attrs={_RECORD: each.model_dump_json()},
                intermediate_values={n: v[0] for n, v in enumerate(each.rungs)} if one else None,
            )
        )


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            path.write_bytes(content[: content.rfind(b"\n") + 1])

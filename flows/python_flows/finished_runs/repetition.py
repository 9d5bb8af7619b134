"""How a recorded run is repeated: what was set on it, and the command that sets it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from components.errors import ConfigError
from components.run_record import RunRecord
from flows.registry import flow_named

NOT_SETTINGS = frozenset({"store", "name", "replace"})
"""Parameters that say where a run is kept, not what it does."""
FLAGS = {"data": "--data", "audio": "--audio", "target_language": "--target-language", "limit": "--limit"}
MAX_COMMAND = 2000
"""Characters of a command that can still be pasted; a longer one names a file."""


def list_changed_settings(run: RunRecord) -> dict[str, Any]:
    """Return the parameters of a run that differ from the defaults of its flow, nested as recorded."""
    recorded = {name: value for name, value in run.parameters.items() if name not in NOT_SETTINGS}
    return _differences(recorded, defaults_of(run.flow))


def repeat_command(run: RunRecord, store: str | None = None) -> str:
    """Return the command that repeats a run: finished stages are reused.

    Args:
        run: the run.
        store: the store to name, if it is not the default one.
    """
    values = list_changed_settings(run)
    place = f" --store {shlex.quote(store)}" if store else ""
    words = ["antiphon", "run", run.flow]
    for name in [name for name in FLAGS if isinstance(values.get(name), str | int)]:
        words += [FLAGS[name], shlex.quote(str(values.pop(name)))]
    for name, value in _flatten(values):
        text = value if isinstance(value, str) and _is_plain(value) else json.dumps(value, ensure_ascii=False)
        words += ["--set", shlex.quote(f"{name}={text}")]
    command = " ".join(words) + place
    if run.flow == "pipeline" or len(command) > MAX_COMMAND:
        target = f"{run.name}.yaml"
        again = target if run.flow == "pipeline" else f"{run.flow} -c {target}"
        return f"antiphon runs show {run.name} --config{place} > {target} && antiphon run {again}{place}"
    return command


def defaults_of(flow: str) -> dict[str, Any]:
    """Return the defaults of a flow's parameters as a record holds them; empty for an unknown flow."""
    try:
        model = flow_named(flow).parameters
    except ConfigError:
        return {}
    return model.model_construct().model_dump(mode="json", warnings=False)


def _differences(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name, value in values.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := _differences(value, default):
                changed[name] = inner
        elif value != default:
            changed[name] = value
    return changed


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield values by dotted names; a mapping with other than plain names is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value and all(key.isidentifier() for key in value):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_plain(text: str) -> bool:
    """Return whether YAML reads a text as that text."""
    from components.files.yaml_text import parse_yaml

    try:
        return bool(parse_yaml(text, "a value")[0] == text)
    except ConfigError:
        return False

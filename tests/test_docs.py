"""What the pages say of the code holds: paths, links, commands; the reference has every module."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from benchmarks.house.import_graph import reach
from flows.cli.main import app

ROOT = Path(__file__).parents[1]
ROOT_COMMAND: Any = typer.main.get_command(app)
HISTORY = {"docs/log.md", "CHANGELOG.md"}
"""Pages that tell of what was: they may name what is gone."""


def build() -> ModuleType:
    """The script docs/build.py as a module."""
    spec = importlib.util.spec_from_file_location("build_docs", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages() -> Iterator[tuple[str, str]]:
    """Every page by its path, with its text."""
    skipped = {".venv", "node_modules", "reference", "antiphon-store"}
    for path in sorted(ROOT.rglob("*.md")):
        name = path.relative_to(ROOT)
        if not skipped & set(name.parts) and not name.parts[0].startswith("."):
            yield name.as_posix(), path.read_text(encoding="utf-8")


def test_paths_in_pages_are_there() -> None:
    pattern = re.compile(
        r"(?<![\w/.-])((?:antiphon|components|flows|tasks|reports|benchmarks|tests)/[\w./-]+)"
    )
    missing = [
        f"{page}: {path}"
        for page, text in pages()
        if page not in HISTORY
        for path in (result.rstrip("./") for result in pattern.findall(text))
        if not (ROOT / path).exists() and not any(ROOT.glob(f"{path}*"))
    ]
    assert not missing, "\n".join(missing)


def test_links_in_pages_lead_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page, text in pages()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (ROOT / page).parent.joinpath(target).exists()
    ]
    assert not broken, "\n".join(broken)


def test_pages_that_sources_and_pages_name_are_there() -> None:
    pattern = re.compile(r"(?<![\w/.-])docs/[a-z0-9_/-]+\.(?:md|svg|png)")
    folders = (*build().PACKAGES, "benchmarks", "examples", "docs", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")] + list(ROOT.glob("*.*"))
    missing = [
        f"{name}: {page}"
        for path in files
        if path.suffix in {".py", ".md", ".yaml", ".toml"}
        if not (name := path.relative_to(ROOT).as_posix()).startswith(("docs/results/", "docs/reference/"))
        if name not in HISTORY
        for page in pattern.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / page).exists()
    ]
    assert not missing, "\n".join(missing)


def test_what_a_flow_runs_by_the_page_of_concepts_is_reached_by_it() -> None:
    """By imports from the command and from the entry points of families: no feature on paper."""
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    families = (value.partition(":")[0] for group in entries.values() for value in group.values())
    reached = reach(["flows.cli.main", *families])
    page = (ROOT / "docs" / "development" / "concepts.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.count(" | ") == 3]
    missing = []
    for method, component, flow, _ in rows:
        folder = ""
        for name in re.findall(r"`([\w/]+\.py)`", component) if re.search(r"`|every flow", flow) else ():
            folder = str(Path(name).parent) if "/" in name and (ROOT / name).exists() else folder
            path = name if (ROOT / name).exists() else f"{folder}/{name}"
            module = path.removesuffix(".py").replace("/", ".")
            missing += [f"{method}: {path}"] * (module not in reached)
    assert len(rows) > 30
    assert not missing, "\n".join(missing)


def test_methods_of_measured_claims_lead_to_their_pages() -> None:
    evidence = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    methods = (ROOT / "docs" / "development" / "concepts.md").read_text(encoding="utf-8")
    measured = set(re.findall(r"results/[\w-]+\.md", evidence))
    assert measured
    assert not measured - set(re.findall(r"results/[\w-]+\.md", methods))


def test_modules_that_pages_call_are_there() -> None:
    commands = [
        (page, module)
        for page, text in pages()
        for module in re.findall(r"python -m (\w+(?:\.\w+)*)(?![\w.<])", text)
    ]
    own = [
        (page, module)
        for page, module in commands
        if page not in HISTORY and (ROOT / module.split(".")[0]).is_dir()
    ]
    assert own
    missing = [
        f"{page}: python -m {module}"
        for page, module in own
        if not (path := ROOT / module.replace(".", "/")).with_suffix(".py").exists()
        and not (path / "__main__.py").exists()
    ]
    assert not missing, "\n".join(missing)


def antiphon_commands(text: str) -> Iterator[list[str]]:
    """The words behind `antiphon` in the code of a page, without comments."""
    for block, inline in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", text, re.DOTALL):
        for line in (block or inline).replace("\\\n", " ").splitlines():
            if result := re.match(r"\s*(?:\S+=\S+\s+|[#$]\s+)*antiphon ([^#;&>]+)", line):
                yield [word.strip("[]") for word in result[1].split()]


def unknown_words(words: list[str]) -> set[str]:
    """The command of a line, or those of its flags, that do not exist; `--set` may hold anything."""
    command, rest = ROOT_COMMAND, list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if command.name == "campaign":  # `campaign RUN RUN` is `campaign create RUN RUN`
        command = command.commands["create"]
    if command is ROOT_COMMAND:
        return {word for word in rest[:1] if re.fullmatch(r"[a-z][a-z-]*", word)}
    known = {name for option in command.params for name in option.opts} | {"--help", "-h", "-q", "-v", "-vv"}
    return {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} - known


def test_every_flag_says_what_it_is_and_what_it_takes() -> None:
    commands, unsaid = [("antiphon", ROOT_COMMAND)], []
    while commands:
        name, command = commands.pop()
        commands += [(f"{name} {key}", command.commands[key]) for key in getattr(command, "commands", {})]
        for option in command.params:
            takes = option.metavar or getattr(option, "is_flag", False) or getattr(option, "count", False)
            if not (takes and option.help):
                unsaid.append(f"{name} {option.name}")
    assert not unsaid


def test_commands_and_flags_in_pages_are_there() -> None:
    lines = [
        (page, words) for page, text in pages() if page not in HISTORY for words in antiphon_commands(text)
    ]
    assert len(lines) > 100
    faults = [
        f"{page}: {' '.join(words)}: {unknown}" for page, words in lines if (unknown := unknown_words(words))
    ]
    assert not faults, "\n".join(faults)
    assert unknown_words(["transcript", "talk.mp4"]) == {"transcript"}
    assert unknown_words(["compare", "RUN", "--metrik", "wer"]) == {"--metrik"}


def test_every_module_has_a_page_of_the_reference(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="needs pdoc (extra dev)")
    from pdoc.extract import walk_specs

    script = build()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        # pdoc evaluates annotations of re-exported dataclasses where they are re-exported; it shows the text.
        warnings.filterwarnings("ignore", "Error parsing type annotation", module="pdoc")
        assert script.modules() <= set(walk_specs(script.reference_specs()))
        specs = ["antiphon", "components.routing", "components.merging.soups"]
        script.write_reference(tmp_path, specs, script.add_pages())
    written = {".".join(p.relative_to(tmp_path).with_suffix("").parts) for p in tmp_path.rglob("*.html")}
    assert {"antiphon", "components.routing.guarantee", "components.merging.soups"} <= written
    assert "Run a graph of models over a data set" in (tmp_path / "antiphon.html").read_text(encoding="utf-8")
    index = (tmp_path / "docs.html").read_text(encoding="utf-8")
    assert 'href="docs/use/export.html"' in index
    assert "<style>" not in index and 'href="style.css"' in index  # not once more in each of 1,600 pages
    assert "prefers-color-scheme: dark" in (tmp_path / "style.css").read_text(encoding="utf-8")
    assert 'href="../families/routing.html"' in (tmp_path / "docs/use/pipelines.html").read_text(
        encoding="utf-8"
    )
    search = (tmp_path / "search.js").read_text(encoding="utf-8")
    assert '"docs.use.speakers"' in search and '"components.routing.guarantee"' in search

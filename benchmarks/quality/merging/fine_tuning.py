"""Short fine-tunings of one model, for the evidence about soups and task vectors.

``python -m benchmarks.quality.merging.fine_tuning WORK NAME...`` trains them into WORK/NAME; a run that was
interrupted goes on. All start from START; SOUP differ in hyper-parameters, TASKS in what they learn.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.common.paths import data_set
from components.training.config import TrainingConfig
from components.training.loop import trainer

START = "packaged:multi30k-en-de"
COMMON: dict[str, object] = {
    "init_from": START,
    "warmup_steps": 20,
    "lr_schedule": "linear",
    "eval_sentences": 64,
    "average_checkpoints": 1,
    "patience": 1000,
    "threads": 1,
    "device": "cpu",
}
SOUP: dict[str, dict[str, object]] = {
    "soup-a": {"learning_rate": 3e-4, "seed": 11, "max_steps": 150},
    "soup-b": {"learning_rate": 1e-3, "dropout": 0.3, "seed": 12, "max_steps": 150},
    "soup-c": {"learning_rate": 1e-3, "label_smoothing": 0.0, "seed": 13, "max_steps": 150},
    "soup-d": {"learning_rate": 3e-3, "dropout": 0.1, "seed": 14, "max_steps": 150},
}
TASKS: dict[str, dict[str, object]] = {
    "task-tatoeba": {"learning_rate": 5e-4, "seed": 21, "max_steps": 100},
    "task-lower": {"learning_rate": 5e-4, "seed": 22, "max_steps": 120},
    "task-reverse": {
        "learning_rate": 1e-3,
        "seed": 23,
        "max_steps": 240,
        "source_language": "de",
        "target_language": "en",
    },
}


def pair(folder: Path, name: str, lines: list[tuple[str, str]]) -> str:
    """Parallel text as two files; gives back the data reference."""
    folder.mkdir(parents=True, exist_ok=True)
    for column, language in enumerate(("en", "de")):
        text = "".join(line[column] + "\n" for line in lines)
        (folder / f"{name}.{language}").write_text(text, encoding="utf-8")
    return f"{folder / name}.en,{folder / name}.de"


def tatoeba() -> list[tuple[str, str]]:
    """English and German of the 1,000 Tatoeba pairs."""
    files = [data_set("tatoeba") / f"tatoeba.deu-eng.{code}" for code in ("eng", "deu")]
    columns = [file.read_text(encoding="utf-8").splitlines() for file in files]
    return list(zip(*columns, strict=True))


def multi30k(split: str) -> list[tuple[str, str]]:
    """English and German of a split of Multi30k."""
    from components.data import load

    pairs = load(f"multi30k:{split}", source_language="en", target_language="de").utterances
    return [(u.text or "", u.references[0]) for u in pairs]


def data_of(name: str, work: Path) -> dict[str, object]:
    """Training and development data of a fine-tuning, written where they are derived."""
    folder = work / "data"
    if name == "task-tatoeba":
        lines = tatoeba()
        return {
            "data": pair(folder, "tatoeba-train", lines[:600]),
            "dev": pair(folder, "tatoeba-dev", lines[600:700]),
        }
    if name == "task-lower":
        lower = [[(a, b.lower()) for a, b in multi30k(split)] for split in ("train", "val")]
        return {
            "data": pair(folder, "lower-train", lower[0][:10_000]),
            "dev": pair(folder, "lower-dev", lower[1]),
        }
    return {"data": "multi30k:train", "dev": "multi30k:val", "limit": 10_000 if name in TASKS else None}


def main(arguments: list[str]) -> None:
    work, names = Path(arguments[0]), arguments[1:] or [*SOUP, *TASKS]
    for name in names:
        values = {**COMMON, **data_of(name, work), **(SOUP | TASKS)[name]}
        values["eval_every"] = values["max_steps"]
        trainer.train(TrainingConfig.model_validate(values), work / name, report=print)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What is refused of the training of an expert model before its data are read."""

from __future__ import annotations

from components import data
from components.experts.config import ExpertsConfig
from components.experts.multilingual import require_targets
from components.languages import check_code
from components.training.checks import check_machine


def check(config: ExpertsConfig, store: str | None) -> None:
    """Refuse what needs no reading. ConfigError, DataError, ModelError, StoreError."""
    require_targets(config.targets)
    for target in config.targets:
        check_code(target)
        for source in (config.data, config.dev):
            data.check(source, config.source_language, target)
    check_machine(config, store)

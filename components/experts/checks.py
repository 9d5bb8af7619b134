"""Checks of the training of a model with experts before its data are read."""

from __future__ import annotations

from components import data
from components.experts.config import ExpertsConfig
from components.experts.multilingual import require_targets
from components.text.languages import check_code
from components.training.checks import check_machine
from components.training.parallel.compilation import require_compilable


def check(config: ExpertsConfig, store: str | None) -> None:
    """Refuse settings that cannot work, without reading data.

    Raises:
        ConfigError, DataError, ModelError, StoreError: what is wrong, and what to do.
    """
    require_targets(config.targets)
    for target in config.targets:
        check_code(target)
        for source in (config.data, config.dev):
            data.check(source, config.source_language, target)
    if config.compile and config.num_experts:
        require_compilable("experts")  # tokens of an expert differ in every pass
    check_machine(config, store)

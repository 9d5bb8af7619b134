"""The ensemble: several recognizers and several translators as one system, scored and reported.

Translators, and Whisper recognizers of one vocabulary, are mixed token by token in one search (linear,
log-linear; translators also by negative evidence), or combined by their finished n-best lists
(``output_level``: ROVER, minimum Bayes risk, reranking).
"""

from __future__ import annotations

from prefect.client.schemas.objects import State

from components.run_record import RunRecord
from flows.definition import define_flow
from flows.parameters.ensemble import EnsembleParameters, pipeline
from flows.system import run_system


@define_flow(EnsembleParameters)
def ensemble(parameters: EnsembleParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set with several models at once, score and report."""
    return run_system("ensemble", parameters, pipeline(parameters))

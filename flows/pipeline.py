"""A pipeline of one's own: any graph of models, from a file or from the deployment's form.

`antiphon run FILE.yaml` runs the graph in a file; `python -m flows.pipeline` takes its options.
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from components.records import RunRecord
from flows.parameters import flat
from flows.pipeline_parameters import PipelineParameters, pipeline
from flows.running import name_flow_run
from flows.system import run_system
from tasks.runners import runner


@flow(name="pipeline", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(PipelineParameters)
def run_graph(parameters: PipelineParameters) -> RunRecord | State[RunRecord]:
    """Run a graph of models over a data set, score its outputs and report."""
    return run_system("pipeline", parameters, pipeline(parameters))


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("pipeline")

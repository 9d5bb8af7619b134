"""Which engine a flow has, and what is said where Ray cannot be it."""

from __future__ import annotations

import pytest

from components.errors import AntiphonError, ConfigError, ModelError
from tasks.engines import engine
from tasks.engines.ray.driver_process import DriverProcess, WorkerFaultError, error_of
from tasks.engines.ray.messages import Event


def test_an_engine_is_set_by_parameter_flow_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    with engine.use_engine(None):
        assert engine.resolve_engine_name() == "local"
    with engine.use_engine("ray"), engine.use_engine(None):
        assert engine.current_engine() is not None
        outer = engine.current_engine()
        with engine.use_engine("ray"):
            assert engine.current_engine() is outer
        with engine.use_engine("local"):
            assert engine.current_engine() is None
    monkeypatch.setenv(engine.VARIABLE, "rey")
    with pytest.raises(ConfigError, match=r"ANTIPHON_ENGINE: expected one of local, ray, found 'rey'"):
        engine.resolve_engine_name()


def test_an_extra_that_is_absent_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.engines.ray.driver_process.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"engine ray: expected .* pip install 'antiphon\[ray\]'"):
        DriverProcess()


def test_a_cluster_with_another_antiphon_is_refused_by_name() -> None:
    driver = pytest.importorskip("tasks.engines.ray.driver", reason="needs the extra ray")
    here = driver.probe.describe_installation()
    assert here["Antiphon"] != "none"
    driver.compare_installations(here, [here])
    with pytest.raises(ConfigError, match=r"ray: expected Antiphon .* as here, found none on host1: install"):
        driver.compare_installations(here, [here, {**here, "Antiphon": "none", "host": "host1"}])


def test_errors_of_workers_are_those_of_their_classes() -> None:
    assert type(error_of(Event(0, "failed", error="ModelError", message="no"))) is ModelError
    assert type(error_of(Event(0, "failed", error="RecordError", message="no"))) is AntiphonError
    assert isinstance(error_of(Event(0, "failed", message="Traceback")), WorkerFaultError)

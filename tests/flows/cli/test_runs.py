from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from components.run_record import NodeRecord, PipelineRecord
from components.storage.store import Store
from tests.command import run_command
from tests.components.storage.test_store import claim, record
from tests.components.storage.upkeep.stores import save_run, write_data, write_stage
from tests.components.storage.written import shard_paths


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs that ended, one that did not, and one whose record was altered; without their stages."""
    store = Store(str(tmp_path / "store"))
    for day, name in enumerate(("old", "middle", "new"), 1):
        store.save_run(record(name, started=f"2026-01-0{day}T00:00:00+00:00"))
    claim(store, "begun")
    path = store.save_run(record("altered")) / "run.json"
    path.write_bytes(path.read_bytes().replace(b"5.5", b"4.5"))
    return store


def listed(store: Store, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    ended = run_command(capsys, "runs", "--store", str(store.root), *more)
    assert ended.code == 0
    return ended.out


def test_runs_are_listed_newest_first(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    runs = json.loads(listed(store, capsys, "--json"))["runs"]
    assert {run["name"]: run["status"] for run in runs[:2]} == {"begun": "unfinished", "altered": "damaged"}
    assert [run["name"] for run in runs[2:]] == ["new", "middle", "old"]
    assert runs[2] == {
        "name": "new",
        "flow": "cascade",
        "status": "completed",
        "started": "2026-01-03T00:00:00+00:00",
        "finished": "2026-01-01T00:01:00+00:00",
        "accepted": None,
        "metrics": {"wer": 5.5},
    }


def test_a_table_says_what_it_leaves_out(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with store.claim_run("cascade", "working"):
        table = listed(store, capsys, "--limit", "4")
    rows = {line.split()[0]: line for line in table.splitlines() if line.strip()}
    assert "running" in rows["working"]
    assert rows["new"].split() == ["new", "cascade", "completed", "2026-01-03", "00:00", "WER", "5.5"]
    assert "middle" not in rows
    assert table.endswith("the newest 4; --limit 6 lists all\n")


def test_a_store_without_runs_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(Store(str(tmp_path / "none")), capsys) == f"no runs in {tmp_path}/none yet\n"
    assert not any(tmp_path.iterdir())


def called(store: Store, capsys: pytest.CaptureFixture[str], *command: str, code: int = 0) -> str:
    """What `antiphon COMMAND --store ...` prints; of a failure what it says on standard error."""
    ended = run_command(capsys, *command, "--store", str(store.root))
    assert ended.code == code, ended.err
    return ended.out if not code else ended.err


def test_runs_are_selected(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*options: str) -> list[str]:
        return [
            run["name"]
            for run in json.loads(called(store, capsys, "runs", "list", "--json", *options))["runs"]
        ]

    store.save_run(record("lost", flow="stack", status="failed"))
    assert names("--flow", "stack") == ["lost"]
    assert names("--status", "completed", "--since", "2026-01-02") == ["new", "middle"]
    assert names("--status", "unfinished") == ["begun"]
    assert names("--status", "accepted") == []
    assert "expected a date such as 2026-11-01" in called(
        store, capsys, "runs", "list", "--since", "May", code=2
    )
    assert called(store, capsys, "runs", "list", "--flow", "none").startswith("no such runs in")


@pytest.mark.parametrize("option", ["--store", "--limit"])
def test_options_before_the_command_are_refused(
    store: Store, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    value = str(store.root) if option == "--store" else "5"
    ended = run_command(capsys, "runs", option, value, "delete", "old", "--yes")
    assert ended.code == 2
    assert "expected options behind delete" in ended.err
    assert store.load_run("old").completed


def test_a_run_is_shown_with_the_command_that_repeats_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    text = called(store, capsys, "runs", "show", "old")
    assert "limit: 3" in text
    assert f"repeat it: antiphon run cascade --limit 3 --store {store.root}" in text
    values = json.loads(called(store, capsys, "runs", "show", "old", "--json"))
    assert (values["parameters"], values["metrics"]["wer"]["value"]) == ({"limit": 3}, 5.5)
    assert called(store, capsys, "runs", "show", "old", "--config") == "limit: 3\n"
    assert "no run 'none'" in called(store, capsys, "runs", "show", "none", code=2)
    assert "it does not match the digest" in called(store, capsys, "runs", "show", "altered", code=1)


def test_a_run_is_accepted_protected_and_deleted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(store, capsys, "runs", "accept", "old", "--note", "x") == "old is accepted\n"
    assert called(store, capsys, "runs", "accept", "new") == "new is accepted in the place of old\n"
    assert "completed, accepted" in called(store, capsys, "runs")
    assert "run new is accepted" in called(store, capsys, "runs", "delete", "old", "new", "--yes", code=2)
    assert store.load_run("old").completed
    assert called(store, capsys, "runs", "accept", "new", "--undo") == "new is no longer accepted\n"
    assert "expected --yes where nobody can answer" in called(store, capsys, "runs", "delete", "old", code=2)
    ended = run_command(capsys, "runs", "delete", "middle", "--yes", "--store", str(store.root))
    assert ended.code == 0
    assert ended.out == "deleted middle\n"
    assert ended.err.startswith("antiphon: runs/altered/run.json: ")
    assert "nothing was pruned: delete that run first" in ended.err
    text = called(store, capsys, "runs", "delete", "old", "altered", "begun", "--yes")
    assert text == "deleted old\ndeleted altered\ndeleted begun\nantiphon store prune would free 0 B\n"
    assert "no run 'old'" in called(store, capsys, "runs", "delete", "old", "--yes", code=2)
    twice = called(store, capsys, "runs", "delete", "new", "new", "--yes")
    assert twice.count("deleted new") == 1
    for command in (("show",), ("delete", "--force")):
        assert "expected a run name of letters" in called(store, capsys, "runs", *command, "../runs", code=2)


def test_a_run_gets_another_name_and_goes_elsewhere(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(store, capsys, "runs", "rename", "old", "fine") == "old is now fine\n"
    assert "fine: 0 stages" in called(store, capsys, "runs", "export", "fine", str(tmp_path / "x.tar.gz"))
    other = Store(str(tmp_path / "other"))
    text = called(other, capsys, "runs", "import", str(tmp_path / "x.tar.gz"), "--name", "theirs")
    assert text.startswith("theirs: 0 new stages, 0 there already")
    again = called(other, capsys, "runs", "import", str(tmp_path / "x.tar.gz"), "--name", "theirs")
    assert "already: nothing to do" in again
    assert "theirs" in called(other, capsys, "runs", "list")


def test_a_run_is_shown_with_its_stages_notes_and_systems(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    data = write_data(store)
    mt = write_stage(store, "mt", data)
    nodes = (
        NodeRecord(name="mt", kind="translate", output="text", reads={"of0": "data"}, models={"model": "m"}),
        NodeRecord(name="refine", kind="refine", output="text", reads={"of0": "mt"}, status="blocked"),
    )
    changes = {"notes": ("half of it",), "systems": {"small": "old"}, "status": "failed"}
    store.save_run(record("staged", stages=(data, mt), pipeline=PipelineRecord(nodes=nodes), **changes))
    text = called(store, capsys, "runs", "show", "staged")
    rows = {cells[0]: cells for cells in map(str.split, text.splitlines()) if cells}
    assert (rows["data"][1], rows["data"][-1]) == ("1", data.key[:12])
    assert rows["mt"][1:5] == ["translate", "data", "m", "1"]
    assert rows["mt"][-1] == mt.key[:12]
    assert rows["refine"][1:] == ["refine", "mt", "blocked"]
    assert "system small: run old\n" in text
    assert "half of it\n" in text
    called(store, capsys, "runs", "accept", "old", "--note", "best so far")
    assert "accepted: best so far\n" in called(store, capsys, "runs", "show", "old")


def test_the_report_of_a_renamed_run_shows_its_new_name_or_it_is_said(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    save_run(store, "mine", [write_data(store)])
    (store.run_folder("mine") / "report.html").write_text("<h1>mine</h1>")
    assert called(store, capsys, "runs", "rename", "mine", "yours") == "mine is now yours\n"
    page = (store.run_folder("yours") / "report.html").read_text(encoding="utf-8")
    assert "<title>yours" in page
    (ref,) = store.load_run("yours").stages
    shard_paths(ref.path)[0].unlink()
    ended = run_command(capsys, "runs", "rename", "yours", "ours", "--store", str(store.root))
    assert (ended.code, ended.out) == (0, "yours is now ours\n")
    assert ended.err.startswith("antiphon: its report still shows the old name: ")


def test_an_import_writes_the_report_anew(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody else has written there would be opened in a browser, and no digest says what it is of."""
    save_run(store, "mine", [write_data(store)])
    (store.run_folder("mine") / "report.html").write_text("<script>alert(1)</script>")
    called(store, capsys, "runs", "export", "mine", str(tmp_path / "x.tar"))
    other = Store(str(tmp_path / "other"))
    called(other, capsys, "runs", "import", str(tmp_path / "x.tar"), "--name", "theirs")
    page = (other.run_folder("theirs") / "report.html").read_text(encoding="utf-8")
    assert "<title>theirs" in page
    assert "alert(1)" not in page
    assert called(other, capsys, "store", "verify").endswith(" 0 damaged\n")
    (other.run_folder("theirs") / "report.html").write_text("<script>alert(1)</script>")
    ended = run_command(capsys, "store", "verify", "--store", str(other.root))
    assert ended.code == 1
    fault = "report.html: expected the file that was written, found another; antiphon report theirs\n"
    assert fault in ended.out
    called(other, capsys, "report", "theirs")
    called(other, capsys, "store", "verify")


def test_an_interrupted_command_says_so(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Store) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("components.storage.runs.run_listing.iterate_runs", interrupt)
    ended = run_command(capsys, "runs", "list", "--store", str(store.root))
    assert (ended.code, ended.err) == (130, "antiphon: interrupted\n")


def test_a_person_is_asked_before_a_run_is_deleted(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    ended = run_command(capsys, "runs", "delete", "old", "--store", str(store.root))
    assert ended.code == 130
    assert "antiphon: interrupted" in ended.err
    assert store.load_run("old").completed
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert "delete old? [y/N]: deleted old\n" in called(store, capsys, "runs", "delete", "old")

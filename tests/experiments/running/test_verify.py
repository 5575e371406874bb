"""A unit is done only if what it left can be used; else it is run again, and this is said."""

import io
import json
import shutil
from dataclasses import replace

import pytest
from headstart.agents.bundles import bundle as bundles
from headstart.agents.learner import create
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.core.files import Records, write_text
from headstart.experiments.api import preview, run
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import dumps
from headstart.experiments.running import metadata
from headstart.experiments.running.claims import claim
from headstart.experiments.running.dry_run import Line, Pace, measure_pace, unit_lines
from headstart.experiments.running.plan import Unit, make_plan
from headstart.experiments.running.unit import run_unit
from headstart.experiments.running.verify import finished, settle
from rich.console import Console

from ..conftest import write_trial

pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {
    "name": "small",
    "source": {
        "world": "Pendulum-v1",
        "algorithm": {"ppo": {"worlds": 2, "n_steps": 16, "batch_size": 32, "n_epochs": 1}},
        "steps": 64,
    },
    "targets": {"heavy": {"kwargs": {"g": 14.0}, "steps": 64}},
    "methods": ["scratch", "zero_shot", "fine_tune", "naive"],
    "seeds": [0],
    "evaluation": {"every": 32, "episodes": 1, "anchor_episodes": 4},
}
TRIALS = "trials/heavy"


def damage(root):
    """Damage five units in five ways; returns what must be said of each."""
    (root / TRIALS / "scratch/seed-0/evaluations.jsonl").unlink()
    curve = root / TRIALS / "zero_shot/seed-0/evaluations.jsonl"
    *before, last = curve.read_text().splitlines()
    nan = json.dumps({**json.loads(last), "return": float("nan")})
    curve.write_text("\n".join([*before, nan, ""]))
    (root / TRIALS / "fine_tune/seed-0/status.json").write_text("{")
    shutil.rmtree(root / "source/nominal/seed-0/bundle")
    (root / "anchors/heavy/random.json").write_text("")
    return {
        f"{TRIALS}/scratch/seed-0": "evaluations.jsonl: cannot be read",
        f"{TRIALS}/zero_shot/seed-0": "evaluations.jsonl, line 3: 'return' is nan at step 64",
        f"{TRIALS}/fine_tune/seed-0": "cannot read",
        "source/nominal/seed-0": "no bundle at",
        "anchors/heavy": "cannot read",
    }


def test_what_is_damaged_is_run_again_and_the_rest_stays(tmp_path):
    root = tmp_path / "run"
    assert not run(SMALL, out=root, jobs=1, console=Console(file=io.StringIO())).failed
    whole = {p: (root / p).read_bytes() for p in ("results.csv", "facts.json")}
    kept = root / TRIALS / "naive/seed-0/evaluations.jsonl"
    written = kept.stat().st_mtime_ns
    told = damage(root)
    *_, left = preview(SMALL, out=root)
    assert ": 5 of 7 units" in left
    said = io.StringIO()
    result = run(SMALL, out=root, jobs=1, console=Console(file=said, width=300))
    assert not result.failed
    assert result.summary["failures"] == []
    for unit, why in told.items():
        [line] = [x for x in said.getvalue().splitlines() if x.startswith(f"again   {unit} ")]
        assert why in line
    assert "2 of 7 units are done already" in said.getvalue()
    assert {p: (root / p).read_bytes() for p in whole} == whole
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ((0, 32, 64), None),
        ((0, 32), "ends at step 32 of 64"),
        ((0, 64), "has no evaluation at step 32"),
        ((32, 64), "begins at step 32; the first evaluation must be at step 0"),
        ((0, 64, 32), "step 32 follows step 64"),
    ],
)
def test_a_curve_must_be_whole(tmp_path, grid, said):
    unit = Unit(f"{TRIALS}/scratch/seed-0", 64)
    write_trial(tmp_path / unit.path, grid, [-1.0] * len(grid))
    if said is None:
        assert finished(make_plan(build(SMALL)), tmp_path, unit)
        return
    with pytest.raises(HeadstartError, match=said):
        finished(make_plan(build(SMALL)), tmp_path, unit)


@pytest.mark.parametrize("lost", [slice(None), slice(1, 2), slice(2, None)])
def test_a_curve_that_lost_what_cannot_be_evaluated_again_begins_anew(tmp_path, monkeypatch, lost):
    longer = {"heavy": {"kwargs": {"g": 14.0}, "steps": 160}}
    experiment = build({**SMALL, "targets": longer, "checkpoint": 32})
    unit, append = f"{TRIALS}/scratch/seed-0", Records.append
    for name in ("whole", "cut"):
        write_text(tmp_path / name / "experiment.yaml", dumps(experiment.resolved()))
    assert run_unit(tmp_path / "whole", unit, lambda *_: None) == ("done", None)

    def until(records, row):
        if row["step"] == 128:
            raise RuntimeError("the power went")
        append(records, row)

    monkeypatch.setattr(Records, "append", until)
    assert run_unit(tmp_path / "cut", unit, lambda *_: None)[0] == "failed"
    monkeypatch.undo()
    assert (tmp_path / "cut" / unit / "checkpoint").exists()
    curve = tmp_path / "cut" / unit / "evaluations.jsonl"
    lines = curve.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    del lines[lost]
    curve.write_text("".join(lines))
    assert run_unit(tmp_path / "cut", unit, lambda *_: None) == ("done", None)
    assert curve.read_bytes() == (tmp_path / "whole" / unit / "evaluations.jsonl").read_bytes()


def test_what_another_process_is_at_work_on_is_left_to_it(tmp_path):
    unit = next(u for u in make_plan(build(SMALL)).units if u.path.endswith("scratch/seed-0"))
    status = tmp_path / unit.path / "status.json"
    status.parent.mkdir(parents=True)
    status.write_text("{")
    quiet = Console(file=io.StringIO())
    with claim(tmp_path, unit.path):
        assert settle(make_plan(build(SMALL)), tmp_path, [unit], quiet) == set()
    assert status.read_text() == "{"
    assert settle(make_plan(build(SMALL)), tmp_path, [unit], quiet) == set()
    assert json.loads(status.read_text())["state"] == "failed"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("experiment.yaml", "{a: [", "experiment.yaml' is no experiment"),
        ("experiment.yaml", "- a", "experiment.yaml' is no experiment"),
    ],
)
def test_a_run_of_which_the_beginning_is_damaged_is_not_gone_on_with(tmp_path, file, text, said):
    experiment = build(SMALL)
    resolved = experiment.resolved()
    its = make_plan(experiment).algorithm
    resolved["source"]["algorithm"] = {its.name: dict(its.settings)}
    write_text(tmp_path / "experiment.yaml", dumps(resolved))
    write_text(tmp_path / file, text)
    with pytest.raises(HeadstartError, match=said):
        run(SMALL, out=tmp_path, jobs=1, console=Console(file=io.StringIO()))
    assert (tmp_path / file).read_text() == text


def test_a_run_stopped_before_its_experiment_was_written_goes_on(tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps({"versions": {}, "commands": ["before"]}))
    (tmp_path / ".experiment.yaml.abc").write_text("name:")
    small = {**SMALL, "methods": ["scratch"]}
    run(small, out=tmp_path, jobs=1, console=Console(file=io.StringIO()))
    assert json.loads((tmp_path / "facts.json").read_text())["versions"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "facts.json").write_text("{}")
    with pytest.raises(HeadstartError, match="is not empty and holds no experiment"):
        run(SMALL, out=other, jobs=1, console=Console(file=io.StringIO()))


def test_overrides_without_a_file_are_refused(tmp_path):
    with pytest.raises(HeadstartError, match=r"overrides are for a YAML file; put seeds=\[5\]"):
        run(SMALL, out=tmp_path / "run", overrides=["seeds=[5]"])


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(HeadstartError, match="device: unknown device 'gpu': expected cpu, cuda"):
        run({**SMALL, "device": "gpu"}, out=tmp_path / "run", console=Console(file=io.StringIO()))
    assert not (tmp_path / "run").exists()


def test_going_on_with_another_commit_is_recorded_and_said(tmp_path, monkeypatch):
    root, said = tmp_path / "run", io.StringIO()
    small = {**SMALL, "methods": ["scratch"]}

    def at(commit):
        monkeypatch.setattr(metadata, "git_commit", lambda: commit)
        return run(small, out=root, jobs=1, console=Console(file=said, width=200))

    told = [fact for fact in at("aaa").summary["fairness"] if "commit" in fact["text"]]
    assert [fact["holds"] for fact in told] == [True]
    # Nothing is left to run, so nothing is run with other code.
    at("bbb")
    assert json.loads((root / "facts.json").read_text())["commits"] == ["aaa"]
    assert "goes on with headstart's" not in said.getvalue()
    shutil.rmtree(root / TRIALS / "scratch")
    [told] = [fact for fact in at("bbb").summary["fairness"] if "commit" in fact["text"]]
    assert said.getvalue().count("goes on with headstart's git commit bbb, after aaa: ") == 1
    assert not told["holds"]
    assert told["text"].endswith("may depend: aaa, bbb.")
    assert "aaa, then bbb" in (root / "report.html").read_text()


def test_outside_git_no_commit_is_recorded(monkeypatch):
    monkeypatch.setattr(metadata, "git_commit", lambda: None)
    begun = metadata.new_facts({}, {}, {})
    assert metadata.go_on(begun) is None
    monkeypatch.setattr(metadata, "git_commit", lambda: "aaa")
    assert metadata.go_on(begun) is None
    assert begun["commits"] == []


def test_what_would_run_counts_whole_rollouts():
    targets = {"heavy": {"kwargs": {"g": 14.0}, "steps": 80}}
    small = make_plan(
        build(
            {
                **SMALL,
                "targets": targets,
                "evaluation": {"every": 40, "episodes": 1, "anchor_episodes": 4},
            }
        )
    )
    lines = unit_lines(small, small.units, (), {})
    found = {line.name: (line.steps, line.episodes) for line in lines}
    # Rollouts of 32 steps: evaluated at 0, 64 and 96; fine_tune in the source once more.
    assert found["heavy/scratch"] == (96, 3)
    assert found["heavy/fine_tune"] == (96, 4)
    assert found["source/nominal"][0] == 64


def test_what_a_line_of_a_dry_run_takes():
    pace = Pace(step=0.002, episode=0.05)
    line = Line("reach/scratch", units=5, left=3, steps=1_000, episodes=40, begun=0)
    assert line.seconds(pace) == pytest.approx(3 * (2.0 + 2.0))
    # Two of the three stand at 600 and 900 steps: half of all 3,000 is left.
    line = replace(line, begun=1_500)
    assert line.todo == 1_500
    assert line.seconds(pace) == pytest.approx(3 * (2.0 + 2.0) / 2)


def test_what_is_left_of_a_unit_begins_at_its_checkpoint(tmp_path):
    small = build(SMALL)
    # The source, scratch, fine_tune and naive, 64 each.
    assert "256 training steps to do" in list(preview(SMALL, out=tmp_path))[-1]
    learner = create(make_plan(small).algorithm, small.source.spec().make, 0, "cpu")
    train(learner, steps=32, seed=0, grid=[], evaluate=print, on_evaluation=print)
    place = tmp_path / "source/nominal/seed-0/checkpoint"
    bundles.save(learner, place, world_id="Pendulum-v1")
    learner.close()
    assert "224 training steps to do" in list(preview(SMALL, out=tmp_path))[-1]
    # What failed begins anew, and so does what is damaged.
    for file, text in (("../status.json", '{"state": "failed"}'), ("bundle.json", "{")):
        before = (place / file).read_text() if (place / file).exists() else None
        (place / file).write_text(text)
        assert "256 training steps to do" in list(preview(SMALL, out=tmp_path))[-1]
        (place / file).write_text(before) if before else (place / file).unlink()


def test_the_pace_of_a_learner_that_collects_much_before_it_learns_is_measured():
    settings = {"train_freq": 250, "learning_starts": 10, "gradient_steps": 1, "batch_size": 8}
    experiment = build({**SMALL, "source": {**SMALL["source"], "algorithm": {"sac": settings}}})
    assert measure_pace(make_plan(experiment)).step > 0

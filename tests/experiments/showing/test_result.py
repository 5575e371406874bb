"""What a notebook has of a finished run or sweep."""

import numpy as np
import pytest
from headstart.experiments.measuring.runs import load_run
from headstart.experiments.records import RunError
from headstart.experiments.showing.html.sweep import write_sweep
from headstart.experiments.showing.outputs import write_outputs
from headstart.experiments.showing.result import Result, SweepResult

from ..conftest import build_run


@pytest.fixture
def result(tiny):
    return Result(tiny, write_outputs(tiny), [])


def test_the_frame_has_scores_and_all_columns(result):
    frame = result.frame()
    assert list(frame.columns) == [
        *("target", "method", "seed", "step", "return", "success", "length", "episodes", "score")
    ]
    its = frame[(frame["method"] == "scratch") & (frame["seed"] == 0)]
    assert its["step"].tolist() == [10 * i for i in range(11)]
    np.testing.assert_allclose(its["score"], [0, 0, 0, *[0.8] * 8], atol=1e-12)


def test_a_cell_shows_tables_sentences_and_curves(result):
    shown = result._repr_html_()
    assert shown.startswith("<div") or shown.lstrip().startswith("<div")
    assert "<html" not in shown
    assert "fine_tune" in shown
    for line in result.results.headlines:
        assert line.split("%")[0][:30] in shown
    assert str(result.directory / "report.html") in shown
    drawn = result.curves("tired-arm")
    assert [path.name for path in drawn.paths] == ["curves-tired-arm.png"]
    assert drawn._repr_html_().startswith('<img alt="curves-tired-arm"')
    with pytest.raises(RunError, match="no target 'tired'; did you mean 'tired-arm'"):
        result.curves("tired")


def test_what_failed_raises_on_request(result):
    assert result.check() is result
    lost = Result(result.directory, result.results, [f"trials/{n}" for n in range(5)])
    with pytest.raises(RunError, match="failed: trials/0, trials/1, trials/2 and 2 more"):
        lost.check()
    assert "trials/4" in lost._repr_html_()


def test_a_sweep_is_shown_alike(tmp_path):
    ran = []
    for number in (0, 1):
        place = build_run(tmp_path / "points" / str(number), seeds=(0, 1), targets=("tired-arm",))
        ran.append(({"x": number}, load_run(place)))
    result = SweepResult(tmp_path, write_sweep("ice", ran, tmp_path), [])
    assert {"x", "target", "method", "metric", "estimate"} <= set(result.frame().columns)
    assert "fine_tune" in result._repr_html_()
    assert [path.name for path in result.curves().paths] == ["sweep-tired-arm.png"]
    assert result.check() is result

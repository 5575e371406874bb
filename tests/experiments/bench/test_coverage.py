"""The study of what intervals cover: it counts rightly, and says what it counted."""

import numpy as np
import pytest
from headstart.experiments.bench import coverage
from headstart.experiments.bench.coverage import Coverage, Estimator, coverage_study, page, sample
from headstart.experiments.measuring.statistics import Interval
from rich.progress import Progress


def fixed(low, high, kind="t"):
    """An estimator of 0.5 whose interval is always the same."""
    made = Interval(0.5, low, high, 5, kind) if low is not None else None
    return Estimator("fixed", lambda a, b, rng: made, lambda a, b: 0.5)


@pytest.mark.parametrize(
    ("estimator", "held", "given"),
    [
        (fixed(0.4, 0.6), 7, 7),
        (fixed(0.6, 0.7), 0, 7),
        (fixed(None, None), 0, 0),
        (fixed(0.5, 0.5, "constant"), 0, 0),
        (fixed(0.4, 0.6, "range"), 0, 0),
    ],
)
def test_intervals_are_counted_where_they_are_given(monkeypatch, estimator, held, given):
    monkeypatch.setattr(coverage, "ESTIMATORS", (estimator,))
    monkeypatch.setattr(coverage, "LARGE", 100)
    found = list(coverage_study(7, 0, Progress(disable=True)))
    assert {(c.held, c.given, c.drawn) for c in found} == ({(held, given, 7)} if given else set())
    assert len(found) == (len(coverage.SHARED) * len(coverage.SEEDS) if given else 0)


def test_scores_are_as_described():
    rng = np.random.default_rng(0)
    normal, bimodal, shared = (
        sample(shape, 100_000, rng, rng.standard_normal((100_000, 1))) for shape in coverage.SHARED
    )
    assert normal.mean(axis=0) == pytest.approx([0.6, 0.667, 0.733, 0.8], abs=0.003)
    assert normal.std(axis=0) == pytest.approx([0.15] * 4, abs=0.003)
    assert np.corrcoef(normal[:, 0], normal[:, 3])[0, 1] == pytest.approx(0.5, abs=0.02)
    # Both of two fail in 0.3 of all where they fail together, in 0.09 where each for itself.
    for scores, both in ((bimodal, 0.150), (shared, 0.242)):
        fails = scores < 0.5
        assert fails.mean() == pytest.approx(0.3, abs=0.01)
        assert (fails[:, 0] & fails[:, 3]).mean() == pytest.approx(both, abs=0.01)


def test_the_page_marks_what_is_out_of_bounds_from_five_seeds_on():
    name = coverage.ESTIMATORS[0].name
    counts = {3: 80, 5: 92, 10: 95, 20: 98, 30: 99}
    cells = [Coverage(name, "normal", seeds, held, 100, 100) for seeds, held in counts.items()]
    cells[2] = Coverage(name, "normal", 10, 57, 60, 100)
    text = page(cells, "a command", {"numpy": "2"})
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} | normal"))
    shares = [cell.strip() for cell in row.split("|")[3:-1]]
    assert shares == ["80.0 %", "92.0 % *", "95.0 % (60% given)", "98.0 %", "99.0 % *"]

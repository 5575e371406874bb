"""Cores that would be idle step the worlds of the units that run."""

import queue

import pytest
from headstart.experiments.running.plan import Unit
from headstart.experiments.running.pool import Pool
from rich.console import Console

pytestmark = pytest.mark.usefixtures("undrawn")


def unit(path, *needs):
    return Unit(path, steps=10, needs=needs)


class Sent:
    """A worker that does each unit at once."""

    def __init__(self, given, answers):
        self.given, self.answers, self.unit = given, answers, None

    def give(self, unit, cores):
        self.unit = unit
        self.given[unit.path] = cores
        self.answers.put((self, {"unit": unit.path, "state": "done", "error": None}))

    def ending(self):
        return ""

    def hung(self, seconds):
        return None

    def stop(self):
        pass


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        # One source, for which four trials wait; then the four of them.
        (8, {"source": 8, "t0": 2, "t1": 2, "t2": 2, "t3": 2}),
        (4, {"source": 4, "t0": 1, "t1": 1, "t2": 1, "t3": 1}),
        (1, {"source": 1, "t0": 1, "t1": 1, "t2": 1, "t3": 1}),
    ],
)
def test_a_unit_gets_the_cores_that_no_other_can_use(tmp_path, jobs, expected):
    trials = [unit(f"t{number}", "source") for number in range(4)]
    given = {}
    pool = Pool(
        tmp_path,
        [unit("source"), *trials],
        set(),
        jobs,
        Console(quiet=True),
        lambda number, run, answers: Sent(given, answers),
    )
    assert pool.run() == []
    assert {path: given[path] for path in ("source", "t0", "t1")} == {
        path: expected[path] for path in ("source", "t0", "t1")
    }
    assert isinstance(pool._answers, queue.SimpleQueue)

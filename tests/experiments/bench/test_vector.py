"""The benchmark of the vector environments, small."""

from headstart.experiments.bench.vector import DUMMY, OURS, SUBPROC, Speed, vector_table


def test_ratios_by_hand():
    seconds = {OURS: [1.0, 2.0, 4.0], DUMMY: [2.0, 3.0, 20.0], SUBPROC: [4.0, 6.0, 8.0]}
    speed = Speed("some-world", 120, seconds, machine=2.0)
    assert speed.per_second(OURS) == 60.0
    assert speed.ratio(DUMMY) == 2.0
    assert speed.ratio(SUBPROC) == 3.0


def test_all_three_are_measured():
    table = vector_table(["Pendulum-v1"], worlds=2, workers=1, steps=10, repetitions=1)
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["Pendulum-v1"]
    assert all(int(cell.replace(",", "")) > 0 for [cell] in cells[1:4])
    assert all(cell.endswith(" x") and float(cell[:-2]) > 0 for [cell] in cells[4:])

"""What the terminal says of worlds: tables that are readable at the width of any terminal."""

import io
import re

import pytest
from headstart.envs import WORLDS
from headstart.envs.shifts import measurements, shift_names
from headstart.experiments.showing.tables.registries import Sheet, describe_world
from rich.console import Console


def shown(parts, width):
    """The lines that a console of this width prints."""
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part, markup=False, highlight=False)
    return console.file.getvalue().splitlines()


@pytest.fixture(scope="module", params=list(WORLDS))
def described(request):
    return request.param, list(describe_world(request.param))


@pytest.mark.parametrize("width", [80, 120])
def test_names_and_numbers_are_never_broken(described, width):
    world_id, parts = described
    lines = shown(parts, width)
    assert max(map(len, lines)) <= width
    words = {word.strip(",") for line in lines for word in line.split()}
    sheets = [part for part in parts if isinstance(part, Sheet)]
    for sheet in sheets:
        for row in sheet.rows:
            assert {word.strip(",") for cell in row for word in cell.split()} <= words
    assert words >= set(shift_names(world_id))


def test_levels_show_score_and_half_of_the_interval(described):
    world_id, parts = described
    rows = {row[0]: row for part in parts if isinstance(part, Sheet) for row in part.rows}
    for name, row in measurements(world_id)["shifts"].items():
        score, half = re.match(r"(-?[\d.]+) ± ([\d.]+)( \*)?$", rows[name][-1]).groups()[:2]
        assert float(score) == pytest.approx(row["score"], abs=0.005)
        low, high = row["interval"]
        assert row["score"] - low == pytest.approx(high - row["score"])  # the same either way
        assert float(half) == pytest.approx(row["score"] - low, abs=0.0051)


def test_room_goes_to_what_is_long():
    sheet = Sheet(
        ("name", "number", "text", "more"), [("a-long-name", "1.5", "ab " * 30, "c " * 9)]
    )
    # Least 11, 6, 4, 4 with 8 between: 7 are left of 40, and 86 and 14 more are wanted.
    assert sheet._widths(40) == [11, 6, 4 + 6, 4]
    assert sheet._widths(120) == [11, 6, 4 + 74, 4 + 12]
    assert sheet._widths(500) == [11, 6, 90, 18]
    assert sheet._widths(20) == [11, 6, 4, 4]

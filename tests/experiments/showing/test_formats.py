"""Numbers as reports say them, and what is said where they stand on little."""

from headstart.experiments.measuring.summary import _doubts
from headstart.experiments.showing.formats import brief, interval, number, recovered


def test_how_many_seeds_come_back_from_a_dip_and_when():
    dip = {"per_seed": {"0": 0.2, "1": 0.0, "2": 0.1, "3": 0.4}}
    back = {"0": 3_000, "1": 0, "2": None, "3": 5_000}
    # The second does not dip; of the three that do, two come back.
    assert recovered(dip | {"recovery": back}) == "2/3, 4,000"
    assert recovered(dip | {"recovery": dict.fromkeys(back)}) == "0/3"
    assert recovered({"per_seed": {"0": 0.0}, "recovery": {"0": 0}}) == "–"
    assert recovered(None) == "–"


def test_no_number_is_written_with_an_exponent_where_it_rounds_to_more_digits():
    assert [number(x) for x in (9_999.4, 9_999.9, -12_345.6)] == ["9999", "10,000", "-12,346"]
    assert [brief(x) for x in (999.4, 999.7, -1_234.5)] == ["999", "1,000", "-1,234"]
    found = {"estimate": 999.7, "low": -1_234.5, "high": 3_200.0, "kind": "t"}
    assert interval(found) == "1,000 [-1,234, 3,200]"


def test_a_scale_that_may_be_chance_is_said_to_be():
    def said(error):
        reference = {"return": 1.0, "origin": "best", "error": error}
        return _doubts("icy", {"random": {"return": 0.0}, "reference": reference})

    (line,) = said(0.5)  # two standard errors above random
    assert line.startswith("The reference of icy, 1 with a standard error of 0.5, is not clearly")
    assert said(0.25) == []
    assert said(None) == []

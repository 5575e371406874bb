"""Numbers as reports say them, and what is said where they stand on little."""

from headstart.experiments.measuring.summary import _doubts
from headstart.experiments.showing.formats import recovered


def test_how_many_seeds_come_back_from_a_dip_and_when():
    dip = {"per_seed": {"0": 0.2, "1": 0.0, "2": 0.1, "3": 0.4}}
    back = {"0": 3_000, "1": 0, "2": None, "3": 5_000}
    # The second does not dip; of the three that do, two come back.
    assert recovered(dip | {"recovery": back}) == "2/3, 4,000"
    assert recovered(dip | {"recovery": dict.fromkeys(back)}) == "0/3"
    assert recovered({"per_seed": {"0": 0.0}, "recovery": {"0": 0}}) == "–"


def test_a_scale_that_may_be_chance_is_said_to_be():
    def said(error):
        reference = {"return": 1.0, "origin": "best", "error": error}
        return _doubts("icy", {"random": {"return": 0.0}, "reference": reference})

    (line,) = said(0.5)  # two standard errors above random
    assert line.startswith("The reference of icy, 1 with a standard error of 0.5, is not clearly")
    assert said(0.25) == []
    assert said(None) == []

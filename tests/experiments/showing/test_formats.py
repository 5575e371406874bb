"""Numbers as reports say them, and what is said where they stand on little."""

from headstart.experiments.measuring.results import Anchor, Anchors, Dip
from headstart.experiments.measuring.statistics import Interval
from headstart.experiments.showing.formats import brief, interval, number, recovered
from headstart.experiments.showing.words.notes import scale_notes


def test_how_many_seeds_come_back_from_a_dip_and_when():
    def dip(depths, back):
        return Dip(depths, 0.2, None, None, 4, "t", back)

    depths = {0: 0.2, 1: 0.0, 2: 0.1, 3: 0.4}
    back = {0: 3_000, 1: 0, 2: None, 3: 5_000}
    # The second does not dip; of the three that do, two come back.
    assert recovered(dip(depths, back)) == "2/3, 4,000"
    assert recovered(dip(depths, dict.fromkeys(back))) == "0/3"
    assert recovered(dip({0: 0.0}, {0: 0})) == "–"
    assert recovered(None) == "–"


def test_no_number_is_written_with_an_exponent_where_it_rounds_to_more_digits():
    assert [number(x) for x in (9_999.4, 9_999.9, -12_345.6)] == ["9999", "10,000", "-12,346"]
    assert [brief(x) for x in (999.4, 999.7, -1_234.5)] == ["999", "1,000", "-1,234"]
    found = Interval(999.7, -1_234.5, 3_200.0, 5, "t")
    assert interval(found) == "1,000 [-1,234, 3,200]"


def test_a_scale_that_may_be_chance_is_said_to_be():
    def said(error):
        reference = Anchor(1.0, "best", {"error": error})
        return scale_notes("icy", Anchors(Anchor(0.0), reference))

    (line,) = said(0.5)  # two standard errors above random
    assert line.startswith("The reference of icy, 1 with a standard error of 0.5, is not clearly")
    assert said(0.25) == []
    assert said(None) == []

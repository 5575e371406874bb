import json
import re

import numpy as np
import pytest
from gymnasium import spaces
from headstart.agents.bundles.spaces import (
    check_supported,
    difference,
    space_from_json,
    space_to_json,
)
from headstart.core.errors import HeadstartError

BOX = spaces.Box(np.array([-1, -np.inf], np.float32), np.array([0.1, np.inf], np.float32))


@pytest.mark.parametrize(
    "space",
    [
        BOX,
        spaces.Box(0, 255, (4, 4, 3), np.uint8),
        spaces.Discrete(3, start=2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(4),
        spaces.Dict({"a": BOX, "b": spaces.Discrete(2)}),
    ],
)
def test_json_round_trip_is_exact_and_strict(space):
    assert space_from_json(json.loads(json.dumps(space_to_json(space), allow_nan=False))) == space
    assert difference(space, space_from_json(space_to_json(space)), bounds=True) is None


def test_the_order_of_a_dicts_keys_is_kept_as_policies_take_its_parts_in_it():
    space = spaces.Dict(velocity=BOX, angle=BOX)
    stored = json.loads(json.dumps(space_to_json(space)))
    assert list(space_from_json(stored)) == ["velocity", "angle"]
    said = difference(space, spaces.Dict(angle=BOX, velocity=BOX), bounds=False)
    assert (
        said == "keys in the order ['velocity', 'angle'] in the source, ['angle', 'velocity'] here"
    )


def test_other_spaces_are_refused():
    with pytest.raises(HeadstartError, match="Text"):
        space_to_json(spaces.Text(3))


@pytest.mark.parametrize(
    ("source", "world", "words"),
    [
        (BOX, spaces.Box(-1, 1, (3,)), r"shape \(2,\) in the source, \(3,\) here"),
        (BOX, spaces.Discrete(2), "in the source"),
        (spaces.Discrete(3), spaces.Discrete(2), r"Discrete\(3\) in the source"),
        (BOX, spaces.Box(-1, 1, (2,), np.float64), "type float32 in the source"),
        (spaces.Dict({"a": BOX}), spaces.Dict({"b": BOX}), r"missing here: \['a'\]"),
    ],
)
def test_differences_are_named(source, world, words):
    assert re.search(words, difference(source, world, bounds=False))


def test_bounds_matter_only_where_asked():
    wide = spaces.Box(-2, 2, (2,))
    narrow = spaces.Box(-1, 1, (2,))
    assert difference(wide, narrow, bounds=False) is None
    assert "element 0: [-2, 2] in the source, [-1, 1] here" in difference(wide, narrow, bounds=True)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Tuple([spaces.Discrete(2)]), r"observation space: Tuple.*Tuple spaces are not"),
        (
            spaces.Dict({"robot": spaces.Dict({"a": spaces.Discrete(2)})}),
            r"observation space: 'robot' Dict.*Dict spaces are not supported there",
        ),
        (spaces.Text(3), "Text spaces are not supported"),
    ],
)
def test_spaces_that_no_policy_is_made_for_are_named(space, said):
    with pytest.raises(HeadstartError, match=said) as caught:
        check_supported(space, "observation")
    assert len(str(caught.value)) < 300
    with pytest.raises(HeadstartError, match="action space"):
        check_supported(spaces.Dict({"a": spaces.Discrete(2)}), "action")

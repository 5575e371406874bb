"""Records as JSON and back."""

import dataclasses
import math

import numpy as np
import pytest
from headstart.core.plain import alias, from_json, rest, to_json


@dataclasses.dataclass(frozen=True)
class Inner:
    value: float = alias("return")
    more: dict[str, object] = rest()  # noqa: RUF009


@dataclasses.dataclass(frozen=True)
class Outer:
    by_seed: dict[int, float | None]
    inner: Inner | None
    rows: list[Inner]
    kept: bool = False


def test_there_and_back():
    record = Outer({3: 0.5, 7: None}, Inner(2.5, {"origin": "given"}), [Inner(1.5)])
    plain = to_json(record)
    assert plain == {
        "by_seed": {"3": 0.5, "7": None},
        "inner": {"return": 2.5, "origin": "given"},
        "rows": [{"return": 1.5}],
        "kept": False,
    }
    assert from_json(Outer, plain) == record


def test_numbers_as_json_can_hold_them():
    values = [np.float64(2.0), math.nan, math.inf, 2.0**60, np.int64(4), True, "x", None, (1.5,)]
    assert to_json(values) == [2, None, None, 2.0**60, 4, True, "x", None, [1.5]]
    assert [type(v) for v in to_json([np.float64(2.0), np.int64(4), 2.0**60])] == [int, int, float]


def test_what_is_missing_is_named():
    with pytest.raises(KeyError, match="Outer: rows is missing"):
        from_json(Outer, {"by_seed": {}, "inner": None})


@dataclasses.dataclass(frozen=True)
class Short:
    value: float


@dataclasses.dataclass(frozen=True)
class Long(Short):
    converged: bool | None


@dataclasses.dataclass(frozen=True)
class Either:
    ends: list[Long | Short | None]


def test_of_several_records_it_is_the_one_with_these_fields():
    record = Either([Short(0.5), Long(0.5, None), None])
    assert from_json(Either, to_json(record)) == record


def test_a_key_that_is_no_field_is_named():
    with pytest.raises(KeyError, match="Short: converged is no field"):
        from_json(Short, {"value": 0.5, "converged": True})

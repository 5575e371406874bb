"""What a digest of code that is in no file depends on, and what it does not."""

import sys
import threading
import types

import pytest
from headstart.core.code_digest import UnknownContentError, digest_main

CODE = """
from dataclasses import dataclass, field
import math
import numpy as np

SCALE = 0.5
OTHER = 1.0
result = object()

def helper(x):
    return SCALE * x

class Base:
    def step(self):
        return math.sin(helper(1.0))

@dataclass
class Mine(Base):
    "A world."
    gain: float = 1.0
    seen: list = field(default_factory=list)
    table = np.arange(3)

    @property
    def twice(self):
        self.result = lambda: 2 * self.gain
        return self.result()

    @staticmethod
    def fixed():
        return 3
"""


def digest(code, monkeypatch, **more):
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    vars(main).update(more)
    exec(compile(code, "<cell>", "exec"), vars(main))
    return digest_main({"Mine": main.Mine})


def test_equal_code_is_equal_whatever_stands_around_it(monkeypatch):
    first = digest(CODE, monkeypatch)
    # Of what it leads to all is there, and of what it does not nothing.
    assert {"__main__:Mine", "__main__:Base", "__main__:helper"} <= set(first)
    assert digest(CODE, monkeypatch) == first
    moved = "\n\n# a comment\nresult = 3\nOTHER = 2.0\n" + CODE.replace("OTHER = 1.0", "")
    assert digest(moved, monkeypatch) == first


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("SCALE = 0.5", "SCALE = 0.6", "helper"),
        ("math.sin", "math.cos", "Base.step"),
        ("gain: float = 1.0", "gain: float = 2.0", "Mine"),
        ("2 * self.gain", "3 * self.gain", "Mine.twice"),
        ("return 3", "return 4", "Mine.fixed"),
        ("np.arange(3)", "np.arange(4)", "Mine"),
        ("helper(1.0)", "helper(2.0)", "Base.step"),
    ],
)
def test_what_differs_is_named(before, after, changed, monkeypatch):
    first, second = digest(CODE, monkeypatch), digest(CODE.replace(before, after), monkeypatch)
    assert first[f"__main__:{changed}"] != second[f"__main__:{changed}"]
    differing = {name for name in first if first[name] != second.get(name)}
    assert differing <= {f"__main__:{changed}", "__main__:Mine", "__main__:Mine.__init__"}


def test_what_cannot_be_told_is_refused(monkeypatch):
    code = CODE.replace("SCALE = 0.5", "SCALE = LOCK")
    with pytest.raises(UnknownContentError, match=r"it holds a _thread\.lock, whose content"):
        digest(code, monkeypatch, LOCK=threading.Lock())

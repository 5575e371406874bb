"""Output in encodings that lack characters."""

from __future__ import annotations

import io
import sys

import pytest
from headstart.core.streams import write_plainly


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", "a -> b - 3 <= 4 ?"), ("cp1252", "a -> b – 3 <= 4 ?"), ("utf-8", "a → b – 3 ≤ 4 ☃")],
)
def test_what_an_encoding_lacks_is_written_plainer(monkeypatch, encoding, written):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    write_plainly()
    stream.write("a → b – 3 ≤ 4 ☃")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == written

"""Another process sees which call this one is in, though it holds Python's lock."""

import subprocess
import sys
import time

import pytest
from headstart.core import heartbeat
from headstart.core.heartbeat import Call, Heartbeat, describe_hang, set_place, write_calls_to


@pytest.fixture
def beat(monkeypatch):
    monkeypatch.setattr(heartbeat, "_beat", None)
    monkeypatch.setattr(heartbeat, "_place", b"")
    monkeypatch.setattr(Call, "_last", None)
    with Heartbeat() as one:
        yield one
    assert not one.path.exists()


def test_a_call_is_seen_while_it_lasts(beat):
    step, reset = Call("step of world 'é'"), Call("reset of a world whose name is short")
    with step:
        assert beat.overdue(0.0) is None  # nobody looks yet
    write_calls_to(beat.path)
    set_place("there")
    with step:
        assert beat.overdue(60.0) is None
        assert beat.overdue(0.0) == ("step of world 'é'", "there")
    assert beat.overdue(0.0) is None
    with reset:
        assert beat.overdue(0.0) == ("reset of a world whose name is short", "there")
    with pytest.raises(ValueError, match="broken"), step:
        raise ValueError("broken")
    assert beat.overdue(0.0) is None


def test_a_name_that_is_too_long_is_cut(beat):
    write_calls_to(beat.path)
    with Call("step of world " + "long" * 1000):
        what, place = beat.overdue(0.0)
    assert what.startswith("step of world longlong")
    assert place == ""


def test_a_process_that_holds_pythons_lock_is_seen(beat):
    code = (
        "import sys; from headstart.core.heartbeat import Call, write_calls_to; "
        "write_calls_to(sys.argv[1]); "
        # A regular expression never gives the lock back while it matches.
        "Call('step of a world').__enter__(); import re; re.match(r'(a+)+$', 'a' * 60 + 'b')"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(beat.path)]) as process:
        begun = time.monotonic()
        while (found := beat.overdue(0.3)) is None and time.monotonic() - begun < 30:
            time.sleep(0.05)
        process.kill()
    assert found == ("step of a world", "")


def test_a_hang_is_told_in_words():
    said = "reset of world 'A-v0' did not return within 0.5 s (step_timeout)"
    assert describe_hang("reset of world 'A-v0'", 0.5) == said

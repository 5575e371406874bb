"""Where workers run, and waiting that looks before it sleeps."""

import os
import subprocess
import sys
import time

import pytest
from headstart.envs.vector import cores as vector_cores
from headstart.envs.vector.cores import available_cores, here, pin_to_cores, soon


@pytest.fixture
def pipe():
    """Two ends, the reading one of which never blocks."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)


def test_what_is_there_comes_at_once(pipe):
    os.write(pipe[1], b"ab")
    assert soon(lambda: os.read(pipe[0], 1), 60.0) == b"a"
    assert soon(lambda: os.read(pipe[0], 1), 60.0) == b"b"
    os.close(pipe[1])


def test_nothing_is_waited_for_no_longer_than_told(pipe):
    begun = time.monotonic()
    assert soon(lambda: os.read(pipe[0], 1), 0.05) == b""
    assert time.monotonic() - begun >= 0.05
    assert soon(lambda: pytest.fail("looked"), 0.0) == b""
    os.close(pipe[1])
    assert soon(lambda: os.read(pipe[0], 1), 60.0) == b""


def test_what_looking_raises_is_raised():
    def look():
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        soon(look, 60.0)


@pytest.fixture
def sleepers():
    """As many processes as asked, that do nothing."""
    started = []

    def start(count):
        started.extend(
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            for _ in range(count)
        )
        return [process.pid for process in started]

    yield start
    for process in started:
        process.communicate(b"\n")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system knows no affinity")
def test_a_core_each_where_there_are_as_many(sleepers, monkeypatch):
    there = available_cores()
    monkeypatch.setattr(vector_cores, "available_cores", lambda: there[:1] * 2)
    pids = sleepers(2)
    assert pin_to_cores(pids) == there[:1] * 2
    assert all(os.sched_getaffinity(pid) == {there[0]} for pid in pids)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system knows no affinity")
def test_otherwise_the_kernel_decides(sleepers, monkeypatch):
    there = available_cores()
    monkeypatch.setattr(vector_cores, "available_cores", lambda: [*there, 10_000])
    pids = sleepers(1)
    assert pin_to_cores(pids) == [None]
    assert os.sched_getaffinity(pids[0]) == set(there)


def test_here_is_one_of_the_cores():
    assert here() is None or not available_cores() or here() in available_cores()

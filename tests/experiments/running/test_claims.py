"""No unit is run by two processes at once, and none is lost with its owner."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from headstart.core.files import read_json
from headstart.experiments.running import claims
from headstart.experiments.running.claims import ClaimLost, at_work, claim, holder

UNIT = "trials/pushed/scratch/seed-0"


def path(run):
    return run / claims.FOLDER / f"{UNIT}.json"


def alien(run, age):
    """Write a claim of another machine whose heartbeat was `age` seconds ago."""
    path(run).parent.mkdir(parents=True, exist_ok=True)
    path(run).write_text(json.dumps({"host": "elsewhere", "pid": 7, "begun": "1", "token": "x"}))
    then = time.time() - age
    os.utime(path(run), (then, then))


def beats(run):
    """Age the heartbeat of a claim, and return whether another comes."""
    then = time.time() - 1_000
    os.utime(path(run), (then, then))
    end = time.monotonic() + 10
    while path(run).stat().st_mtime < then + 500 and time.monotonic() < end:
        time.sleep(0.02)
    return path(run).stat().st_mtime > time.time() - 500


def test_a_claimed_unit_is_not_to_be_had_until_it_is_given_back(tmp_path):
    assert holder(tmp_path, UNIT) is None
    with claim(tmp_path, UNIT) as mine:
        assert mine is not None
        mine.check()
        assert holder(tmp_path, UNIT) == f"{socket.gethostname()}, process {os.getpid()}"
        assert at_work(tmp_path)
        with claim(tmp_path, UNIT) as other:
            assert other is None
        with claim(tmp_path, "trials/pushed/scratch/seed-1") as another:
            assert another is not None
        mine.check()
    assert holder(tmp_path, UNIT) is None
    assert not at_work(tmp_path)
    with claim(tmp_path, UNIT) as again:
        assert again is not None


def test_the_claim_of_a_killed_process_of_this_machine_is_taken_over_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from headstart.experiments.running import claims\n"
        f"with claims.claim(Path(sys.argv[1]), '{UNIT}'):\n"
        "    print('mine', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == "mine\n"
        with claim(tmp_path, UNIT) as mine:
            assert mine is None
        assert holder(tmp_path, UNIT) == f"{socket.gethostname()}, process {other.pid}"
        other.kill()
    with claim(tmp_path, UNIT) as mine:
        assert mine is not None


def test_a_number_that_another_process_has_now_does_not_keep_a_claim(tmp_path):
    path(tmp_path).parent.mkdir(parents=True)
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "begun": "1", "token": "x"}
    path(tmp_path).write_text(json.dumps({**owner, "seen": claims._seen()}))
    assert holder(tmp_path, UNIT) is None
    # The number means nothing to one who does not see that process, as in another container.
    for seen in (["another boot", "pid:[1]"], [claims._seen()[0], "pid:[1]"]):
        path(tmp_path).write_text(json.dumps({**owner, "seen": seen}))
        assert holder(tmp_path, UNIT) is not None
        then = time.time() - 70
        os.utime(path(tmp_path), (then, then))
        assert holder(tmp_path, UNIT) is None


def test_who_cannot_write_may_still_ask_who_is_at_work(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(claims.Path, "touch", refused)
    for age, held in ((10, True), (70, False)):
        alien(tmp_path, age)
        assert at_work(tmp_path) is held


def test_the_heart_beats_on_after_it_could_not_look(tmp_path, monkeypatch):
    looks = []

    def read(path):
        looks.append(path)
        if len(looks) == 1:
            raise claims.StoreError("too many open files")
        return read_json(path)

    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claim(tmp_path, UNIT):
        monkeypatch.setattr(claims, "read_json", read)
        # The first may come of a look that had begun before.
        assert beats(tmp_path)
        assert beats(tmp_path)
        assert len(looks) > 1


def test_the_heart_of_one_who_lost_a_claim_does_not_beat_for_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claim(tmp_path, UNIT):
        alien(tmp_path, 1_000)
        then = path(tmp_path).stat().st_mtime
        time.sleep(0.2)
        assert path(tmp_path).stat().st_mtime == then


@pytest.mark.parametrize(("age", "taken"), [(50, False), (70, True)])
def test_the_claim_of_another_machine_holds_while_its_heart_beats(tmp_path, age, taken):
    alien(tmp_path, age)
    assert (holder(tmp_path, UNIT) is None) is taken
    with claim(tmp_path, UNIT) as mine:
        assert (mine is not None) is taken


def test_the_heart_beats_while_a_unit_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claim(tmp_path, UNIT):
        assert beats(tmp_path)


def test_who_lost_a_claim_notices_and_leaves_the_other_s_alone(tmp_path):
    with claim(tmp_path, UNIT) as mine:
        alien(tmp_path, 0)
        with pytest.raises(ClaimLost, match="another process has taken this over"):
            mine.check()
    assert json.loads(path(tmp_path).read_text())["host"] == "elsewhere"

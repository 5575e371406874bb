"""Pretrained policies by their names on the command line, and the cards that are made of them."""

import json
import shutil

import pytest
from headstart.agents.bundles import pretrained
from headstart.core.errors import HeadstartError
from headstart.experiments.bench import pretrained as cards
from headstart.experiments.cli import app
from headstart.experiments.running import pretrain
from headstart.transfer.randomization.recommended import recommended as ranges

REACH = "headstart/PandaReach-v0"


@pytest.fixture
def call(capsys):
    """Run the command line in this process; returns exit status, output and errors."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            app.main(words)
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture
def asked(monkeypatch):
    """What `headstart pretrain` would train, in place of training it."""
    calls = []
    monkeypatch.setattr(pretrain, "train_bundle", lambda *args: calls.append(args))
    return calls


def test_pretrain_knows_how_long_and_what_to_randomize(call, asked):
    recommended = ("--randomize", "recommended")
    assert call("pretrain", REACH, "--out", "x", *recommended)[0] == 0
    own = (*recommended, "--randomize", "payload_mass = 1")
    assert call("pretrain", REACH, "--out", "x", *own, "--steps", "64")[0] == 0
    assert call("pretrain", "Pendulum-v1", "--out", "x")[0] == 0
    steps, changes = [words[2] for words in asked], [words[4] for words in asked]
    assert steps == [150_000, 64, 100_000]
    assert changes == [ranges(REACH), {**ranges(REACH), "payload_mass": "= 1"}, {}]
    code, _, said = call("pretrain", "Pendulum-v1", "--out", "x", *recommended)
    assert code == 2
    assert "no recommended randomization for world 'Pendulum-v1'" in said


def test_evaluate_a_policy_by_its_name(call):
    code, out, _ = call("evaluate", "pretrained/nominal", "--world", REACH, "--episodes", "2")
    assert code == 0
    assert "return" in out
    code, _, said = call("evaluate", "pretrained/nominal")
    assert code == 2
    assert "say which with --world" in said


def test_a_card_says_what_the_bundle_gets(call, tmp_path, monkeypatch):
    measured = {"shifts": {"heavy/mild": {"changes": {"payload_mass": "+ 1"}}}}
    monkeypatch.setattr(cards, "measurements", lambda world: measured)
    folder = pretrained.pretrained_folder(tmp_path, REACH, "nominal")
    shutil.copytree(pretrained.find_pretrained("pretrained/nominal", REACH), folder)
    (folder / pretrained.CARD).unlink()
    words = ("bench", "pretrained", "--out", str(tmp_path), "--episodes", "2")
    assert call(*words, "--cards-only")[0] == 0
    card = json.loads((folder / pretrained.CARD).read_text())
    known = pretrained.cards()[REACH, "nominal"]
    assert card["check"]["returns"] == pytest.approx(known["check"]["returns"], rel=0.01)
    assert card["command"] == known["command"]
    assert card["nominal"]["return"]["n"] == 2
    shift = card["shifts"]["heavy/mild"]
    assert shift["changes"] == {"payload_mass": "+ 1"}
    assert shift["return"]["mean"] != card["nominal"]["return"]["mean"]
    assert card["recommended"]["return"]["mean"] < card["nominal"]["return"]["mean"]
    code, out, _ = call(*words, "--evaluate")
    assert code == 0
    assert f"{card['nominal']['return']['mean']:.1f}" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--world", "headstart/PandaRaech-v0"), "unknown world 'headstart/PandaRaech-v0'; did"),
        (("--kind", "random"), "unknown kind 'random'"),
        (("--out", "nowhere"), "no bundle of"),
    ],
)
def test_mistakes_are_one_line(call, words, said):
    code, _, printed = call("bench", "pretrained", "--evaluate", *words)
    assert code == 2
    assert said in printed
    assert printed.count("\n") == 1


def test_a_bundle_of_the_other_kind_gets_no_card():
    path = pretrained.find_pretrained("pretrained/nominal", REACH)
    with pytest.raises(HeadstartError, match="is of 'headstart/PandaReach-v0', nominal"):
        cards.card(path, REACH, "randomized")

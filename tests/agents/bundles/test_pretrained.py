"""The pretrained policies are whole, small, of the recipe, and do what their cards say."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle as bundles
from headstart.agents.bundles import pretrained
from headstart.agents.bundles.storage import BundleError
from headstart.agents.presets import STEPS
from headstart.core.errors import HeadstartError
from headstart.envs.catalog import WORLDS
from headstart.experiments.bench import pretrained as cards
from headstart.experiments.running.metadata import hardware, versions

SHIPPED = list(pretrained.listed())
NAMES = [f"{path.parent.name}-{kind}" for _, kind, path in SHIPPED]
each = pytest.mark.parametrize(("world_id", "kind", "path"), SHIPPED, ids=NAMES)
MEGABYTE = 1_000_000
EPISODES = 3  # where rounding differs from the card's


def read_card(path):
    assert (path / pretrained.CARD).is_file(), f"{path}: write it with headstart bench pretrained"
    return json.loads((path / pretrained.CARD).read_text())


def test_every_folder_is_a_world_with_both_kinds():
    folders = sorted(path.name for path in pretrained.DATA.iterdir())
    assert folders
    listed = {(path.parent.name, kind) for _, kind, path in SHIPPED}
    assert listed == {(folder, kind) for folder in folders for kind in pretrained.KINDS}
    assert set(STEPS) <= set(WORLDS)


@each
def test_it_is_small_whole_and_of_todays_recipe(world_id, kind, path):
    assert sum(file.stat().st_size for file in path.iterdir()) < MEGABYTE
    bundle, card = bundles.load(path), read_card(path)
    anew = "differs from today's recipe: train it anew, headstart bench pretrained"
    assert bundle.world_id == world_id
    assert bundle.algorithm == resolve_algorithm("ppo", world_id), f"algorithm {anew}"
    ranges = WORLDS[world_id].ranges if kind == "randomized" else {}
    assert bundle.randomization == ranges, f"randomization {anew}"
    goes_on = kind == "randomized" and STEPS[world_id].goes_on
    begun = path.parent / "nominal"
    assert (bundle.start or {}).get("sha256") == (
        pretrained.checksum(begun) if goes_on else None
    ), f"start {anew}"
    assert card["sha256"] == pretrained.checksum(path), "card of another bundle: write it anew"
    assert card["steps"] == bundle.steps
    assert card["command"] == cards.command(bundle, kind)
    assert not (path / "replay_buffer.npz").exists()
    assert card["nominal"]["success"] >= 0.5, "it does not do its task even in its own world"


@each
def test_the_world_has_not_drifted_away_from_it(world_id, kind, path):
    card, bundle = read_card(path), bundles.load(path)
    known, expected = card["check"], card["nominal"]["return"]
    drifted = f"{world_id} has drifted away from its {kind} policy; train it anew or mend the world"
    same = card["measured_with"] == versions() and card["processor"] == hardware()["processor"]
    # Rounding differs elsewhere, and episodes of contacts with it: then only the mean is held.
    first, count = card["first_seed"], len(known["returns"]) if same else EPISODES
    found = cards.check_pretrained(bundle, range(first, first + count))
    if same:
        assert found.returns.tolist() == known["returns"], drifted
        assert found.lengths.tolist() == known["lengths"], drifted
    else:
        room = 4 * expected["std"] / math.sqrt(count) + 0.05 * abs(expected["mean"])
        assert np.mean(found.returns) == pytest.approx(expected["mean"], abs=room), drifted


def test_names_that_lead_nowhere():
    world_id = SHIPPED[0][0]
    with pytest.raises(HeadstartError, match="did you mean 'pretrained/nominal'"):
        pretrained.find_pretrained("pretrained/nominl", world_id)
    with pytest.raises(HeadstartError, match=f"for world 'Pendulum-v1'; known: .*{world_id}"):
        pretrained.find_pretrained("pretrained/nominal", "Pendulum-v1")
    with pytest.raises(HeadstartError, match="say which with --world"):
        pretrained.locate("pretrained/nominal")


def test_a_bundle_is_found_by_name_by_path_and_in_a_trial(tmp_path):
    world_id, kind, path = SHIPPED[0]
    assert pretrained.locate(f"pretrained/{kind}", world_id) == path
    assert pretrained.locate(path) == path
    pretrained.copy(path, tmp_path / "seed-0" / "bundle", pretrained.checksum(path))
    assert pretrained.locate(tmp_path / "seed-0") == tmp_path / "seed-0" / "bundle"


def test_a_copy_is_the_same_bundle_without_its_card(tmp_path):
    _, _, path = SHIPPED[0]
    pretrained.copy(path, tmp_path / "copy", pretrained.checksum(path))
    assert pretrained.checksum(tmp_path / "copy") == pretrained.checksum(path)
    names = {file.name for file in path.iterdir()} - {pretrained.CARD}
    assert {file.name for file in (tmp_path / "copy").iterdir()} == names
    facts, bundle = pretrained.facts(tmp_path / "copy"), bundles.load(tmp_path / "copy")
    assert facts.steps == bundle.steps
    assert facts.algorithm == {bundle.algorithm.name: bundle.algorithm.settings}


def damaged(copy: Path, how: str) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    if how == "altered":
        data = (copy / "policy.safetensors").read_bytes()
        (copy / "policy.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        manifest["files"]["../escaped"] = manifest["files"]["bundle.json"]
        (copy.parent / "escaped").write_bytes((copy / "bundle.json").read_bytes())
        (copy / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("how", "said"), [("altered", "is altered"), ("escaping", "files of other directories")]
)
def test_a_damaged_bundle_is_not_copied(tmp_path, how, said):
    _, _, path = SHIPPED[0]
    pretrained.copy(path, tmp_path / "from" / "copy", pretrained.checksum(path))
    damaged(tmp_path / "from" / "copy", how)
    checksum = pretrained.checksum(tmp_path / "from" / "copy")
    with pytest.raises(BundleError, match=said):
        pretrained.copy(tmp_path / "from" / "copy", tmp_path / "to" / "copy", checksum)
    assert not (tmp_path / "to" / "copy").exists()
    with pytest.raises(BundleError, match="has changed"):
        pretrained.copy(tmp_path / "from" / "copy", tmp_path / "to" / "copy", "0" * 64)

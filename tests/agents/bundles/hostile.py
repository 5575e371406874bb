"""Bundles made to do harm, from a seed, and a process of its own that tries to load them.

    python -m tests.agents.bundles.hostile FIRST LAST DIRECTORY

makes and loads the bundles of these numbers, and prints what happened to each as a line of JSON.
"""

import hashlib
import io
import json
import os
import pickle
import random
import shutil
import sys
import time
import zipfile
from pathlib import Path

FILES = ["bundle.json", "policy.safetensors", "optimizer.safetensors", "normalizer.npz"]
BINARY = FILES[1:]
STRANGER = "a_hostile_module"
SECONDS = 10
BYTES = 2**30


def seal(directory):
    """Make the manifest agree with the files, as an attacker would."""
    manifest = json.loads((directory / "manifest.json").read_text())
    for name in manifest["files"]:
        if (directory / name).is_file():
            data = (directory / name).read_bytes()
            listed = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            manifest["files"][name] = listed
    (directory / "manifest.json").write_text(json.dumps(manifest))


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "executed")


def damage(rng, directory, mark):
    """Change bytes anywhere, sealed or not."""
    name = rng.choice([*FILES, "manifest.json"])
    data = bytearray((directory / name).read_bytes())
    kind = rng.randrange(5)
    if kind == 0:
        data = data[: rng.randrange(len(data))]
    elif kind == 1:
        for _ in range(rng.choice([1, 3, 50])):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        at = rng.randrange(len(data))
        data[at:at] = rng.randbytes(rng.choice([1, 100, 5000]))
    elif kind == 3:
        data = bytearray(rng.randbytes(rng.choice([0, 1, 8, 200])))
    else:
        data[:8] = rng.randrange(2**64).to_bytes(8, "little")
    (directory / name).write_bytes(data)
    if rng.random() < 0.8 and name != "manifest.json":
        seal(directory)


VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 10**18, -(10**18), 10**400, 1e300, -1e300,
    "", "x" * 100_000, "\ud800", "\x1b[2J\x07", "\u202e", "nan", "inf", [], {}, [[]], [1] * 1000,
    {"a": {"b": [1, 2]}}, "../../etc/passwd", f"{STRANGER}:Class", "venv.__main__:main", "this:d",
    "antigravity:fly", "os:system", "headstart.experiments.cli.__main__:main", 0.5, "MlpPolicy",
    "stable_baselines3:PPO", "CnnPolicy", "sb3_contrib:RecurrentPPO", [64, 64], [10**9, 10**9],
    [65_000, 65_000], [-1], [0], ["a"], {"pi": [10**6], "vf": [3]}, {"pi": "x"}, [1] * 5000,
]  # fmt: skip
SETTINGS = [
    "worlds", "n_steps", "buffer_size", "batch_size", "n_epochs", "policy", "learning_rate",
    "gamma", "train_freq", "gradient_steps", "tau", "ent_coef", "target_entropy", "use_sde",
    "sde_sample_freq", "stats_window_size", "clip_range", "normalize", "normalize_reward",
    "policy_kwargs", "action_noise", "learning_starts", "target_kl", "nonsense",
    "replay_buffer_class",
]  # fmt: skip
POLICY = [
    "net_arch", "n_critics", "features_extractor_class", "optimizer_class", "activation_fn",
    "features_extractor_kwargs", "optimizer_kwargs", "log_std_init", "share_features_extractor",
    "ortho_init", "n_quantiles", "full_std", "use_expln", "squash_output", "nonsense",
]  # fmt: skip


def places(data, path=()):
    """Yield the path of every value in plain data."""
    yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data[:5]):
            yield from places(value, (*path, index))


def describe(rng, directory, mark):
    """Have bundle.json say something else."""
    about = json.loads((directory / "bundle.json").read_text())
    ((name, settings),) = about["algorithm"].items()
    kind = rng.randrange(8)
    value = rng.choice(VALUES)
    if kind <= 1:
        settings[rng.choice(SETTINGS)] = value
    elif kind == 2:
        settings.setdefault("policy_kwargs", {})[rng.choice(POLICY)] = value
    elif kind == 3:
        other = rng.choice([str(value), "sac", "stable_baselines3:DQN", f"{STRANGER}:A"])
        about["algorithm"] = {other: settings} if rng.random() < 0.7 else {name: settings, "b": {}}
    elif kind == 4:
        about["world_id"] = rng.choice([str(value), f"{STRANGER}:World-v0", "venv.__main__:X-v0"])
    else:
        path = rng.choice([p for p in places(about) if p])
        inner = about
        for part in path[:-1]:
            inner = inner[part]
        if rng.random() < 0.2:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
    text = json.dumps(about)
    how = rng.random()
    if how < 0.05:
        text = text.replace(": 1", rng.choice([": NaN", ": Infinity", ": -Infinity", ": 1e999"]))
    elif how < 0.1:
        text = text[:-1] + ', "counters": {"num_timesteps": 5}}'
    elif how < 0.15:
        depth = rng.choice([500, 5_000, 500_000])
        text = text[:-1] + ', "deep": ' + "[" * depth + "]" * depth + "}"
    elif how < 0.17:
        text = "[" + "{}," * 2_000_000 + "{}]"
    (directory / "bundle.json").write_text(text, errors="surrogatepass")
    seal(directory)


def shapes(rng, directory, mark):
    """Have spaces be others, or larger than any."""
    about = json.loads((directory / "bundle.json").read_text())
    which = rng.choice(["observation_space", "action_space"])
    size = rng.choice([0, -1, 1, 10**6, 2**22, 10**9, 2**62, 1.5, "3", None])
    number = {"type": "Discrete", "n": size, "start": rng.choice([0, -1, 2**63, "a"])}
    box = {"type": "Box", "shape": [size], "dtype": "float32", "low": [-1], "high": [1]}
    image = {**box, "shape": [rng.choice([84, 2000]), 84, 3], "dtype": "uint8", "low": [0]}
    image["high"] = [255]
    dtype = rng.choice(["O", "(9,9)f8", "float128", "U5", "complex64", "float16", "M8[s]", 3])
    inner = number
    for _ in range(rng.choice([1, 2, 400])):
        inner = {"type": "Dict", "spaces": {"a": inner}}
    wide = {"type": "Dict", "spaces": {str(i): box for i in range(rng.choice([3, 20_000]))}}
    about[which] = rng.choice(
        [
            number, box, image, inner, wide, {**box, "dtype": dtype}, {**box, "low": ["nan"]},
            {**box, "low": [5], "high": [-5]}, {**box, "shape": [3, size, 10**5]},
            {"type": "MultiDiscrete", "nvec": [size, size]}, {"type": "MultiBinary", "n": size},
            {"type": "MultiDiscrete", "nvec": []}, {"type": "Tuple"}, {}, [], "Box",
        ]
    )  # fmt: skip
    (directory / "bundle.json").write_text(json.dumps(about))
    seal(directory)


def weights(rng, directory, mark):
    """Put other tensors into the weights, or into what the optimizer keeps of them."""
    import safetensors.torch
    import torch

    path = directory / rng.choice(BINARY[:2])
    tensors = safetensors.torch.load(path.read_bytes())
    name = rng.choice(sorted(tensors))
    kind = rng.randrange(6)
    if kind == 0:
        bad = rng.choice([float("nan"), float("inf"), -float("inf"), 1e30, -1.0, 1e9])
        tensors[name] = torch.full_like(tensors[name], bad)
    elif kind == 1:
        dtype = rng.choice([torch.int8, torch.bool, torch.float16, torch.float64, torch.int64])
        tensors[name] = torch.ones(tensors[name].shape).to(dtype)
    elif kind == 2:
        shape = rng.choice([(), (0,), (1,), (10**6,), (3, 3, 3)])
        tensors[name] = torch.zeros(shape)
    elif kind == 3:
        del tensors[name]
    elif kind == 4:
        tensors[rng.choice(["", "a/b", "a/b/c/d", "x" * 9999, "\x1b[2J", "é"])] = torch.zeros(2)
    else:
        tensors = {str(i): torch.zeros(1) for i in range(rng.choice([0, 20_000]))}
    path.write_bytes(safetensors.torch.save(tensors))
    seal(directory)


def npy(array, lie=None):
    """Return an npy file's bytes; with `lie`, of a header that says another shape."""
    import numpy as np

    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    data = file.getvalue()
    if lie is None:
        return data
    head = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": lie}
    np.lib.format.write_array_header_1_0(head, header)
    return head.getvalue() + array.tobytes()


def statistics(rng, directory, mark):
    """Put other arrays into the normalizer or the replay buffer, or a bomb in their place."""
    import numpy as np

    names = [
        name for name in ("normalizer.npz", "replay_buffer.npz") if (directory / name).exists()
    ]
    path = directory / rng.choice(names)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = rng.choice(sorted(arrays))
    array, how, file = arrays[name], zipfile.ZIP_STORED, io.BytesIO()
    changed = {
        "value": lambda: npy(np.full_like(array, rng.choice([0, -1, 1e300, float("nan")]))),
        "shape": lambda: npy(np.zeros(rng.choice([(), (0,), (7, 7), (10**6,)]))),
        "type": lambda: npy(np.ones(array.shape, rng.choice(["i1", "S4", "c8", "M8[s]", "?"]))),
        "pickle": lambda: npy(np.array([Payload(mark)], dtype=object)),
        "lie": lambda: npy(array, rng.choice([(2**40,), (10**9, 10**9), (-1,), (0,), (2**62,)])),
        "header": lambda: b"\x93NUMPY\x01\x00" + (60_000).to_bytes(2, "little") + b"(" * 60_000,
        "deep": lambda: b"\x93NUMPY\x01\x00" + (9_000).to_bytes(2, "little") + b"{" * 9_000,
        "noise": lambda: rng.randbytes(200),
        "bomb": lambda: npy(np.zeros(30_000_000)),
        "left out": lambda: None,
        "compressed": lambda: npy(array),
    }
    kind = rng.choice(list(changed))
    with np.errstate(all="ignore"):
        data = changed[kind]()
    if kind in ("bomb", "compressed"):
        how = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(file, "w", how) as archive:
        for key, value in arrays.items():
            if key != name:
                archive.writestr(f"{key}.npy", npy(value))
            elif data is not None:
                archive.writestr(f"{key}.npy", data)
        if rng.random() < 0.2:
            archive.writestr(rng.choice(["../../x.npy", "/x", "a" * 5000, "é.npy"]), b"x")
    made = bytearray(file.getvalue())
    if rng.random() < 0.15:
        # Sizes in the central directory that are not the members'.
        at = made.rfind(b"PK\x01\x02")
        made[at + 24 : at + 28] = rng.randrange(2**32).to_bytes(4, "little")
    path.write_bytes(made)
    seal(directory)


def links(rng, directory, mark):
    """Put a link, a pipe or a directory in place of a file."""
    name = rng.choice([*FILES, "manifest.json"])
    path = directory / name
    kept = directory / "kept"
    path.rename(kept)
    kind = rng.randrange(6)
    if kind == 0:
        path.symlink_to(rng.choice(["/dev/zero", "/dev/random", "/etc/passwd", "/proc/self/mem"]))
    elif kind == 1:
        path.symlink_to(kept)
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.mkdir()
    elif kind == 4:
        path.symlink_to(path)
    else:
        path.symlink_to(directory)


def large(rng, directory, mark):
    """Put a file of many zeros in place of one, which takes no room on the disk."""
    name = rng.choice([*FILES, "manifest.json"])
    size = rng.choice([2**24, 2**31, 2**40])
    data = (directory / name).read_bytes() if rng.random() < 0.5 else b""
    with (directory / name).open("wb") as file:
        file.write(data)
        file.truncate(size)
    manifest = directory / "manifest.json"
    if name != "manifest.json":
        listed = json.loads(manifest.read_text())
        sha256 = hashlib.sha256(bytes(size)).hexdigest() if size == 2**24 and not data else "0"
        listed["files"][name] = {"size": size, "sha256": sha256}
        manifest.write_text(json.dumps(listed))


def pickles(rng, directory, mark):
    """Put a pickle in place of a file."""
    import torch

    name = rng.choice([*FILES, "manifest.json"])
    if rng.random() < 0.5:
        (directory / name).write_bytes(pickle.dumps(Payload(mark)))
    else:
        torch.save(Payload(mark), directory / name)
    if name != "manifest.json":
        seal(directory)


KINDS = [damage, describe, describe, shapes, weights, statistics, statistics, links, large, pickles]


def make(number, originals, directory):
    """Make the hostile bundle of a number in `directory`; return what was done to it."""
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    original = rng.choice(sorted(originals.iterdir()))
    shutil.copytree(original, directory)
    kind(rng, directory, directory.parent / "mark")
    return f"{kind.__name__} of {original.name}"


def attempt(directory):
    """Do with a bundle what users do, as far as it goes."""
    from headstart.agents.bundles import bundle, pretrained
    from headstart.agents.bundles.placeholder import placeholder

    pretrained.facts(directory)
    loaded = bundle.load(directory)
    loaded.own_world()
    policy = loaded.policy()
    space = policy.observation_space
    space.seed(0)
    observation = space.sample()
    if isinstance(observation, dict):
        batch = {key: value[None] for key, value in observation.items()}
    else:
        import numpy as np

        batch = np.asarray(observation)[None]
    policy.act(batch)
    loaded.learner(placeholder(loaded.observation_space, loaded.action_space), 0).close()


def peak():
    """Return the greatest resident memory since `forget`, in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def forget():
    Path("/proc/self/clear_refs").write_text("5")


EVENTS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class",
          "socket.connect", "webbrowser.open")  # fmt: skip


def main(first, last, directory):
    """Load hostile bundles; a line of JSON for each."""
    from headstart.core.errors import LONGEST_LINE, HeadstartError, printable

    heard, listening = [], []

    def hear(event, _):
        if listening and event in EVENTS:
            heard.append(event)

    sys.addaudithook(hear)
    place = Path(directory)
    for original in sorted((place / "originals").iterdir()):
        attempt(original)  # what libraries import late is imported now
    (place / f"{STRANGER}.py").write_text(f"open({str(place / 'mark')!r}, 'w').write('imported')\n")
    sys.path.insert(0, str(place))
    for number in range(first, last):
        inside = place / f"b{number}"
        what = make(number, place / "originals", inside)
        modules = set(sys.modules)
        forget()
        listening.append(True)
        begun, said, outcome = time.monotonic(), "", "loaded"
        try:
            attempt(inside)
        except HeadstartError as error:
            outcome, said = "refused", str(error)
            if len(said) > LONGEST_LINE or said != printable(said):
                outcome = "badly said"
        except BaseException as error:
            outcome, said = "internal error", f"{type(error).__name__}: {error}"[:500]
        listening.clear()
        line = {
            "number": number,
            "what": what,
            "outcome": outcome,
            "said": said.encode("ascii", "backslashreplace").decode(),
            "seconds": time.monotonic() - begun,
            "bytes": peak(),
            "imported": sorted(set(sys.modules) - modules),
            "executed": heard[:] + ["mark"] * (place / "mark").exists(),
        }
        heard.clear()
        print(json.dumps(line), flush=True)
        shutil.rmtree(inside)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

"""What a Stable-Baselines3 archive says of itself, read without loading any of its pickles.

An archive (`model.zip`) holds `data`, a JSON object in which plain values stand as they are and
others as pickles in base64 with a description beside them, and the weights as PyTorch saves them.
"""

from __future__ import annotations

import base64
import json
import pickletools
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import one_line, shown
from .storage import BundleError

LARGEST_DATA = 2**28
"""Bytes that the description of a model may have."""

# Which algorithm it is, by the module of its policy, and where several share one by a setting.
_BY_POLICY = {
    "stable_baselines3.sac.policies": "sac",
    "stable_baselines3.td3.policies": "stable_baselines3:TD3",
    "stable_baselines3.dqn.policies": "stable_baselines3:DQN",
    "sb3_contrib.tqc.policies": "sb3_contrib:TQC",
    "sb3_contrib.qrdqn.policies": "sb3_contrib:QRDQN",
    "sb3_contrib.crossq.policies": "sb3_contrib:CrossQ",
    "sb3_contrib.common.recurrent.policies": "recurrent_ppo",
    "sb3_contrib.common.maskable.policies": "sb3_contrib:MaskablePPO",
}
_BY_SETTING = {
    "_last_lstm_states": "recurrent_ppo",
    "cg_max_steps": "sb3_contrib:TRPO",
    "clip_range": "ppo",
    "gae_lambda": "stable_baselines3:A2C",
}


@dataclass(frozen=True)
class Archive:
    """The description of a model in an archive: plain values, and pickles that were not loaded."""

    path: Path
    data: dict[str, Any]
    version: str
    python: str

    def plain(self, key: str) -> Any:
        """Return a value that is plain JSON, or None."""
        value = self.data.get(key)
        return None if is_pickled(value) else value

    def constant(self, key: str) -> float | None:
        """Return the number that a schedule or a setting always is; None if that is not clear."""
        value = self.data.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        return _constant_in(value) if isinstance(value, dict) and is_pickled(value) else None

    def algorithm(self) -> str:
        """Return the name of the algorithm that the model is of.

        Raises:
            BundleError: it cannot be told from the archive.
        """
        policy = self.data.get("policy_class")
        module = policy.get("__module__") if isinstance(policy, Mapping) else None
        if module in _BY_POLICY:
            return _BY_POLICY[str(module)]
        for key, name in _BY_SETTING.items():
            if key in self.data:
                return name
        raise BundleError(
            f"{self.path}: which algorithm it is of cannot be told; say so with --algorithm, as "
            "ppo or sb3_contrib:TQC"
        )

    @property
    def uses_her(self) -> bool:
        """Whether it learned with hindsight goals."""
        return "HerReplayBuffer" in json.dumps(self.data.get("replay_buffer_class"))

    @property
    def of_another_python(self) -> bool:
        """Whether functions in it hold the instructions of another version of Python."""
        return bool(self.python) and self.python.split(".")[:2] != [
            str(part) for part in sys.version_info[:2]
        ]


def is_pickled(value: Any) -> bool:
    """Return whether a value of an archive's description is a pickle."""
    return isinstance(value, Mapping) and ":serialized:" in value


def read_archive(path: str | Path) -> Archive:
    """Read what an archive says of its model; nothing in it is run.

    Raises:
        BundleError: it is no archive of Stable-Baselines3.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "data" not in names:
                raise BundleError(f"{path} is no archive of Stable-Baselines3: it has no 'data'")
            if archive.getinfo("data").file_size > LARGEST_DATA:
                raise BundleError(f"{path}: its description is too large to be one")
            data = json.loads(archive.read("data"))
            version = _text(archive, "_stable_baselines3_version")
            info = _text(archive, "system_info.txt")
    except BundleError:
        raise
    except FileNotFoundError:
        raise BundleError(f"no file {path}") from None
    except Exception as error:  # whatever a damaged archive ends in
        said = shown(one_line(error), 100)
        raise BundleError(f"{path} is no archive of Stable-Baselines3: {said}") from None
    if not isinstance(data, dict):
        raise BundleError(f"{path} is no archive of Stable-Baselines3: its 'data' is no object")
    _, _, python = info.partition("Python: ")
    return Archive(path, data, version.strip(), python.split("\n")[0].strip())


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if name not in archive.namelist() or archive.getinfo(name).file_size > 2**16:
        return ""
    return archive.read(name).decode("utf-8", "replace")


def _constant_in(value: Mapping[str, Any]) -> float | None:
    """Return the one number in the pickle of a constant schedule, whose code is not run.

    Up to SB3 2.6 a constant is a function that returns what it has enclosed, since then an object.
    """
    try:
        pickled = base64.b64decode(str(value[":serialized:"]))
        parts = [(op.name, argument) for op, argument, _ in pickletools.genops(pickled)]
    except Exception:  # a damaged pickle is not the number that is looked for
        return None
    texts = {argument for _, argument in parts if isinstance(argument, str)}
    numbers = [float(str(argument)) for name, argument in parts if name == "BINFLOAT"]
    constant = any("constant_fn" in text or text == "ConstantSchedule" for text in texts)
    return numbers[0] if constant and len(numbers) == 1 else None

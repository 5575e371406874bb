"""What the files of a bundle hold, taken apart without trust: arrays, tensors, counters.

Every number is looked at before it is used: types, shapes, sizes, ranges. A parser of bytes from
elsewhere may raise anything, so whatever it raises means that the file is damaged.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from ...core.errors import one_line, shown
from .storage import BundleError

Array = np.ndarray[Any, Any]

LARGEST_COUNT = 2**53
"""The largest number that a counter may have."""
LARGEST_WEIGHT = 1e15
"""What no weight of a network that ever acted is beyond."""
LARGEST_NUMBER = float(np.finfo(np.float32).max)
_MEMBERS = 10_000
# Counters of Stable-Baselines3's models that decide how training goes on.
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls")


def tensors(path: Path, data: bytes, most: float = LARGEST_NUMBER) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file by name: finite floats, and counts.

    Args:
        path: the file.
        data: its contents.
        most: what no number is beyond.

    Raises:
        BundleError: it is none, or holds other numbers.
    """
    try:
        found: dict[str, torch.Tensor] = safetensors.torch.load(data)
    except Exception as error:
        raise BundleError(f"{path} is not a safetensors file: {shown(error, 100)}") from None
    for name, tensor in found.items():
        if not tensor.dtype.is_floating_point and tensor.dtype != torch.int64:
            raise BundleError(f"{path}: '{shown(name)}' holds {tensor.dtype}, expected floats")
        if not _within(tensor, most):
            raise BundleError(
                f"{path}: '{shown(name)}' holds numbers that are not finite, or beyond {most:.2g}"
            )
    return found


def _within(tensor: torch.Tensor, most: float) -> bool:
    """Return whether all numbers of a tensor are finite and none is beyond `most`."""
    if tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor.to(torch.float64) if tensor.dtype.itemsize < 4 else tensor)
    # A NaN anywhere is the result, and no comparison with it holds.
    return bool(low >= -most) and bool(high <= most)


def check_moments(
    path: Path, moments: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]
) -> None:
    """Check an optimizer's state against the weights that it is of.

    Raises:
        BundleError: a moment of no weight, or of another shape, a negative count or variance.
    """
    for name, moment in moments.items():
        parts = name.split("/")
        weight = weights.get(parts[1]) if len(parts) == 3 else None
        if weight is None:
            raise BundleError(f"{path}: '{shown(name)}' is of no weight in policy.safetensors")
        if moment.ndim and moment.shape != weight.shape:
            raise BundleError(
                f"{path}: '{shown(name)}' is {tuple(moment.shape)}, its weight "
                f"{tuple(weight.shape)}"
            )
        key = parts[2]
        if key == "step" and (moment.ndim or not float(moment).is_integer()):
            raise BundleError(f"{path}: '{shown(name)}' is no number of steps")
        if (key == "step" or "_sq" in key) and moment.numel() and float(moment.min()) < 0:
            raise BundleError(f"{path}: '{shown(name)}' is below 0, which it cannot be")


def arrays(path: Path, data: bytes) -> dict[str, Array]:
    """Return the arrays of an uncompressed npz file by name: plain numbers only.

    Sizes are checked against the file's before anything is unpacked.

    Raises:
        BundleError: it is none, it is compressed, or it holds anything else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS or sum(m.file_size for m in members) > len(data):
                raise ValueError("it unpacks to more than its own size")
            if any(m.compress_type != zipfile.ZIP_STORED for m in members):
                raise ValueError("it is compressed")
            names = [m.filename.removesuffix(".npy") for m in members]
            if len(set(names)) < len(names):
                raise ValueError("it holds two arrays of one name")
            return {
                name: _array(archive.read(member))
                for name, member in zip(names, members, strict=True)
            }
    except Exception as error:
        said = shown(error, 100) if type(error) is ValueError else shown(one_line(error), 100)
        raise BundleError(f"{path} is not a plain npz file: {said}") from None


def _array(data: bytes) -> Array:
    """Return the array of an npy file's bytes, which have to be as many as its header says."""
    file = io.BytesIO(data)
    major = np.lib.format.read_magic(file)[0]
    if major == 1:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif major == 2:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy format {major}")
    if dtype.kind not in "biuf":
        raise ValueError(f"it holds {shown(dtype, 30)}, not plain numbers")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f"an array of shape {shown(shape, 40)} in {len(data):,} bytes")
    numbers = np.frombuffer(data, dtype, count, file.tell())
    return numbers.reshape(shape, order="F" if fortran else "C").copy()


def check_statistics(path: Path, found: Mapping[str, Array], shapes: Mapping[str, Any]) -> None:
    """Check a normalizer's running statistics.

    Args:
        path: the file that holds them.
        found: the arrays in it: `NAME.mean`, `NAME.var` and `NAME.count`.
        shapes: the shape of each NAME's mean and variance; others may not be there.

    Raises:
        BundleError: one is missing or left over, of another shape, not finite, or a variance or
            count that is not above 0.
    """
    parts = ("mean", "var", "count")
    for name in sorted({f"{name}.{part}" for name in shapes for part in parts} ^ found.keys()):
        raise BundleError(
            f"{path}: '{shown(name)}' is {'left over' if name in found else 'missing'}"
        )
    for name, shape in shapes.items():
        for part in parts:
            array, expected = found[f"{name}.{part}"], () if part == "count" else tuple(shape)
            if array.shape != expected or array.dtype.kind != "f":
                raise BundleError(
                    f"{path}: '{name}.{part}' is {array.dtype}{array.shape}, expected float64"
                    f"{expected}"
                )
            if not np.all(np.isfinite(array)) or (part != "mean" and not np.all(array > 0)):
                wanted = "finite" if part == "mean" else "finite and above 0"
                raise BundleError(f"{path}: '{name}.{part}' has numbers that are not {wanted}")


def check_counters(path: Path, counters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counters of a model, which decide how its training goes on.

    Raises:
        BundleError: one is no count, or the exploration rate is not between 0 and 1.
    """
    found = {name: counters[name] for name in COUNTERS if name in counters}
    for name, value in found.items():
        if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
            raise BundleError(f"{path}: {name} = {shown(value, 40)}: expected a count")
    rate = counters.get("exploration_rate")
    if rate is None:
        return found
    if type(rate) not in (int, float) or not 0 <= rate <= 1:
        raise BundleError(
            f"{path}: exploration_rate = {shown(rate, 40)}: expected a number between 0 and 1"
        )
    return {**found, "exploration_rate": rate}


def check_transitions(path: Path, found: Mapping[str, Array], expected: Mapping[str, Array]) -> int:
    """Check a replay buffer's arrays against those that they are to be put into.

    Args:
        path: the file that holds them.
        found: the arrays in it: the filled part, and how far it is filled.
        expected: the arrays of the empty buffer, each of shape (buffer size, worlds, ...).

    Returns:
        How many rows are filled.

    Raises:
        BundleError: an array is missing, of another shape or type, or not finite, or the counts
            contradict each other.
    """
    if not {"size", "pos", "full"} <= found.keys() or any(
        found[name].shape for name in ("size", "pos", "full")
    ):
        raise BundleError(f"{path} is not a replay buffer")
    size, position, full = (int(found[name]) for name in ("size", "pos", "full"))
    for name, array in expected.items():
        saved = found.get(name)
        if saved is None or saved.shape != (size, *array.shape[1:]) or size > len(array):
            raise BundleError(f"{path}: '{name}' does not fit a buffer of shape {array.shape}")
        if saved.dtype != array.dtype or not np.all(np.isfinite(saved)):
            raise BundleError(f"{path}: '{name}' holds {saved.dtype}, or what is not finite")
    rows = len(next(iter(expected.values())))
    if position not in range(rows) or size != (rows if full else position):
        raise BundleError(f"{path}: position {position} of {size} rows in a buffer of {rows}")
    return size

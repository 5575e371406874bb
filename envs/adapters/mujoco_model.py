"""Numbers of a MuJoCo model by their path: `body_mass[torso]`, `opt.gravity[2]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core.errors import nearest
from ..parameters import ParameterError
from .handle import Declared, Handle, make_parameter

_PATH = re.compile(r"(?:(opt)\.)?(\w+?)(?:\[([^\]]+)\])?(?:\.(\d+))?")
# Which names the rows of a field have, by how it begins.
_ROWS = {"body": "body", "geom": "geom", "jnt": "jnt", "dof": "jnt", "actuator": "actuator"}
_UNITS = {
    "body_mass": "kg",
    "body_inertia": "kg m^2",
    "dof_damping": "N m s/rad",
    "dof_frictionloss": "N m",
    "dof_armature": "kg m^2",
    "jnt_stiffness": "N m/rad",
    "opt.gravity": "m/s^2",
    "opt.timestep": "s",
    "opt.wind": "m/s",
}
# What `describe` suggests, where a model has it.
SUGGESTED = ("body_mass", "geom_friction", "dof_damping", "actuator_gear")
ALL = "*"


def mujoco_model(env: Any) -> Any:
    """Return the MuJoCo model of a bare environment; None where it has none."""
    model = getattr(env, "model", None)
    return model if type(model).__name__ == "MjModel" else None


class MujocoModel:
    """The numbers of one environment's model, as they were when it was made.

    A body's inertia follows its mass. `[*]` stands for all rows and is a factor on their nominals,
    so its own nominal is 1.
    """

    def __init__(self, env: Any) -> None:
        """Look at a bare environment with a `model` and `data` of MuJoCo."""
        self._env, self._model = env, mujoco_model(env)
        self._nominals: dict[str, np.ndarray] = {}

    def handle(self, name: str, declared: Declared) -> Handle:
        """Return the handle of a path.

        Raises:
            ParameterError: the path names nothing in the model; names the nearest that it has.
        """
        match = _PATH.fullmatch(declared.path)
        if match is None:
            raise ParameterError(f"cannot read the path '{declared.path}'{self._hint()}")
        option, field, row, column = match.groups()
        full = f"opt.{field}" if option else field
        owner = self._model.opt if option else self._model
        array = getattr(owner, field, None)
        if isinstance(array, (int, float)) and option and row is None:
            return self._scalar(name, declared, owner, field)
        if not isinstance(array, np.ndarray):
            known = [key for key in dir(owner) if isinstance(getattr(owner, key, 0), np.ndarray)]
            hint = nearest(field, known)
            raise ParameterError(f"the model has no '{full}', as in '{declared.path}'{hint}")
        nominal = self._nominal(full, array)
        where = self._place(declared.path, full, row, column, array)
        factor = row == ALL
        value = 1.0 if factor else float(nominal[where])

        def write(value: float) -> None:
            array[where] = nominal[where] * value if factor else value
            if field == "body_mass":
                self._scale_inertia(where, nominal)
            self._derive()

        def read() -> float:
            if not factor:
                return float(array[where])
            now, then = np.ravel(array[where]), np.ravel(nominal[where])
            shares = now[then != 0] / then[then != 0]
            # Rows that were set one by one do not count.
            return float(np.median(shares)) if shares.size else 1.0

        unit = "1" if factor else _UNITS.get(full, "1")
        return Handle(make_parameter(name, declared, value, unit), write, read)

    def suggestions(self) -> Iterator[str]:
        """Yield paths that are worth a try."""
        yield "opt.gravity[2]"
        for field in SUGGESTED:
            array = getattr(self._model, field)
            tail = ".0" if array.ndim > 1 else ""
            if np.any(array):
                yield f"{field}[{ALL}]{tail}"
                for place, row in enumerate(self._row_names(field)):
                    if row and np.any(array[place]):
                        yield f"{field}[{row}]{tail}"

    def _scalar(self, name: str, declared: Declared, owner: Any, field: str) -> Handle:
        def write(value: float) -> None:
            setattr(owner, field, value)

        unit = _UNITS.get(f"opt.{field}", "1")
        parameter = make_parameter(name, declared, float(getattr(owner, field)), unit)
        return Handle(parameter, write, lambda: float(getattr(owner, field)))

    def _nominal(self, full: str, array: np.ndarray) -> np.ndarray:
        if full not in self._nominals:
            self._nominals[full] = array.copy()
        return self._nominals[full]

    def _place(
        self, path: str, full: str, row: str | None, column: str | None, array: np.ndarray
    ) -> Any:
        """Return the index of a path into its array."""
        if row is None:
            raise ParameterError(f"'{path}' needs a row: {full}[{self._some_rows(full)}]")
        if row == ALL:
            index: Any = slice(None)
        elif row.isdecimal():
            index = int(row)
            if index >= len(array):
                raise ParameterError(f"'{path}': {full} has the rows 0 to {len(array) - 1}")
        else:
            names = self._row_names(full)
            if row not in names:
                known = nearest(row, [one for one in names if one])
                raise ParameterError(f"'{path}': {full} has no row '{row}'{known}")
            index = names.index(row)
        if array.ndim == 1:
            if column is not None:
                raise ParameterError(f"'{path}': {full} has single numbers; leave out '.{column}'")
            return index
        if column is None or int(column) >= array.shape[1]:
            raise ParameterError(
                f"'{path}': a row of {full} has {array.shape[1]} numbers; name one, as in "
                f"{full}[{row}].0"
            )
        return index, int(column)

    def _row_names(self, full: str) -> list[str]:
        """Return the names of the rows of a field; those of their joints for degrees of freedom."""
        import mujoco

        kind = _ROWS.get(full.partition("_")[0])
        if kind is None:
            return []
        prefix = {"jnt": "JOINT"}.get(kind, kind.upper())
        object_type = getattr(mujoco.mjtObj, f"mjOBJ_{prefix}")

        def name(place: int) -> str:
            return mujoco.mj_id2name(self._model, object_type, place) or ""

        if full.startswith("dof"):
            return [name(int(joint)) for joint in self._model.dof_jntid]
        return [name(place) for place in range(len(getattr(self._model, full)))]

    def _some_rows(self, full: str) -> str:
        return next((name for name in self._row_names(full) if name and name != "world"), "0")

    def _scale_inertia(self, where: Any, masses: np.ndarray) -> None:
        inertia = self._model.body_inertia
        nominal = self._nominal("body_inertia", inertia)
        share = self._model.body_mass / np.where(masses > 0, masses, 1.0)
        inertia[where] = (nominal * share[:, None])[where]

    def _derive(self) -> None:
        """Have MuJoCo compute what follows from masses, inertias and armatures."""
        import mujoco

        mujoco.mj_setConst(self._model, self._env.data)

    def _hint(self) -> str:
        return "; known, for instance: " + ", ".join(list(self.suggestions())[:6])

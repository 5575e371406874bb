"""The world: a Gymnasium environment of one robot and one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np

from ..core.errors import HeadstartError, nearest
from .parameters import Parameter, ParameterError, ParameterSpace, appliers, applies
from .sensing import Actuation, Channel, Command, Sensing
from .simulation import Simulation

NOT_RESET = "a world steps only after a reset: call reset() first"
CLOSED = "the world is closed: make another"

AIR_DRAG = Parameter(
    "air_drag",
    "1/s",
    0.04,
    0.0,
    0.1,
    "share of its speed that a link loses a second, times 1 + speed (in m/s and in rad/s)",
    live=True,
)


@dataclass(frozen=True)
class Timing:
    """A division of time: `substeps` physics steps of `timestep` s a control step."""

    timestep: float
    substeps: int
    solver_iterations: int

    @property
    def period(self) -> float:
        """The control step in seconds."""
        return self.timestep * self.substeps


class Judgement(NamedTuple):
    """A task's judgement of a control step; `terms` are reward terms before weights."""

    terms: dict[str, float]
    terminated: bool
    success: bool


@dataclass(frozen=True)
class Camera:
    """The place of the camera: metres and degrees, as for PyBullet's debug camera."""

    target: tuple[float, float, float]
    distance: float
    yaw: float
    pitch: float


class Part:
    """The base of robots and tasks: a simulation, channels and declared parameters."""

    channels: ClassVar[tuple[Channel, ...]] = ()

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def reset(self, rng: np.random.Generator) -> None:
        """Start an episode; the snapshot is restored and parameters are applied already."""

    def show(self) -> None:
        """Place what is only visual; called before a picture is taken."""


class Robot(Part):
    """The part of a world that acts and senses.

    A robot with a `morphology` takes those parameters as keyword arguments when it is built.
    """

    morphology: ClassVar[tuple[Parameter, ...]] = ()
    """Lengths and shapes: PyBullet cannot change them, so a new value rebuilds the simulation."""
    commands: ClassVar[tuple[Command, ...]]
    action_delay: ClassVar[Parameter]
    body: int
    """The body in the simulation."""
    action: list[float]
    """The policy's last action, clipped to [-1, 1], delayed or not."""
    sent: list[float]
    """The same, in the commands' units."""
    steady: bool = False
    """Whether what the last `act` set stays valid for as long as the command does."""

    def act(self, command: list[float]) -> None:
        """Drive the motors; `command` is in the commands' units.

        Called before every physics step, but only once per command if the robot is `steady`.
        """
        raise NotImplementedError

    def advance(self, command: list[float], steps: int) -> None:
        """Let `steps` physics steps pass; robots may override it to be faster."""
        self.act(command)
        if self.steady:
            self.simulation.step_together(steps)
            return
        self.simulation.step()
        for _ in range(steps - 1):
            self.act(command)
            self.simulation.step()

    def sense(self, raw: Mapping[str, np.ndarray]) -> None:
        """Write the present true values into the robot's channels."""
        raise NotImplementedError

    @applies(Parameter("gravity", "m/s^2", 9.81, 5.0, 15.0, "acceleration of free fall", live=True))
    def set_gravity(self, gravity: float) -> None:
        """Set gravity."""
        self.simulation.set_gravity(gravity)

    @applies(AIR_DRAG)
    def set_drag(self, air_drag: float) -> None:
        """Set PyBullet's damping of all speeds, which is not 0 by default."""
        self.simulation.set_drag(self.body, air_drag)


class Task(Part):
    """The part of a world that sets the goal, the rewards and the end of episodes."""

    weights: ClassVar[Mapping[str, float]]
    episode_steps: ClassVar[int]
    camera: Camera

    @property
    def covered(self) -> float | None:
        """Metres covered in this episode; None where the task is not to travel."""
        return None

    def complete(self, report: Mapping[str, np.ndarray]) -> None:
        """Write the task's channels, given what the robot's channels report."""

    def judge(self) -> Judgement:
        """Judge the control step that just ended."""
        raise NotImplementedError


class World(gymnasium.Env[np.ndarray, np.ndarray]):
    """A robot and a task as a Gymnasium environment with named parameters.

    Observations are float32 of shape `(sum of channel sizes,)`, actions float32 in [-1, 1] of
    shape `(number of commands,)`. `info` is empty except at reset (`parameters`, `success`) and at
    an episode's last step (`parameters`, `success`, `reward_terms`: weighted sums over the
    episode).

    >>> import headstart
    >>> world = gymnasium.make("headstart/CartPoleSwingUp-v0").unwrapped
    >>> isinstance(world, World)
    True
    >>> world.parameters["pole_mass"].bounds
    '[0.02, 4] kg'
    >>> world.set_parameters({"pole_mass": 0.2})
    >>> observation, info = world.reset(seed=0)
    >>> info["parameters"]["pole_mass"]
    0.2
    >>> world.close()
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"]}  # noqa: RUF012

    def __init__(
        self,
        robot: type[Robot],
        task: type[Task],
        timing: Timing,
        render_mode: str | None = None,
        image_size: tuple[int, int] = (480, 360),
    ) -> None:
        """Build the world.

        Args:
            robot: the class of what acts and senses.
            task: the class of what sets goal, rewards and ends.
            timing: how a control step is divided into physics steps.
            render_mode: None, "rgb_array" or "human".
            image_size: width and height of pictures, in pixels.

        Raises:
            HeadstartError: an unknown render mode, or no display for "human".
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise HeadstartError(
                f"unknown render_mode '{render_mode}'"
                f"{nearest(render_mode, self.metadata['render_modes'])}"
            )
        self.metadata = {**self.metadata, "render_fps": round(1 / timing.period)}
        self.render_mode = render_mode
        self.timing = timing
        self._image_size = image_size
        self._kinds = robot, task
        self._idle = NOT_RESET
        self.simulation = Simulation(
            timing.timestep,
            timing.solver_iterations,
            visual=render_mode is not None,
            gui=render_mode == "human",
        )
        try:
            self._build({p.name: p.nominal for p in robot.morphology})
        except BaseException:
            self.simulation.close()
            raise
        self._sensing = Sensing((*robot.channels, *task.channels), timing.period)
        self._actuation = Actuation(robot.commands, timing.substeps)
        self.parameters = ParameterSpace(self._declared())
        self._values = self.parameters.nominal()
        self._adjusted: dict[str, float] = {}
        self.observation_space = gymnasium.spaces.Box(*self._sensing.bounds(), dtype=np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(robot.commands),), np.float32)
        self._weights = dict(task.weights)
        self._sums: dict[str, float] = {}
        self._steps_left = 0
        self._task_rng, self._sensor_rng = _streams(np.random.SeedSequence())

    def _build(self, morphology: dict[str, float]) -> None:
        """Put a robot of these lengths and shapes, and its task, in the empty simulation."""
        robot, task = self._kinds
        self._morphology: dict[str, float] = {}  # none, should building fail
        self.robot = robot(self.simulation, **morphology)
        self.task = task(self.simulation, self.robot)  # type: ignore[call-arg]
        self.simulation.snapshot()
        self._morphology = morphology
        self._appliers = [*appliers(self.robot), *appliers(self.task)]

    def _declared(self) -> list[Parameter]:
        """Collect all parameters, each once: channels may share one (a common delay)."""
        own = [p for _, parameters in self._appliers for p in parameters]
        channels = [
            replace(p, live=True) if p in (channel.noise, channel.bias) else p
            for channel in self._sensing.channels
            for p in channel.parameters()
        ]
        return [
            *self.robot.morphology, *own, self.robot.action_delay, *dict.fromkeys(channels)
        ]  # fmt: skip

    @property
    def morphology(self) -> tuple[Parameter, ...]:
        """The parameters of which a new value rebuilds the simulation (3 to 20 ms)."""
        return self.robot.morphology

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The parts of an observation, in order."""
        return self._sensing.channels

    def true_values(self) -> dict[str, np.ndarray]:
        """Return what is true of each channel, without noise, bias, delay or dropout.

        What a task works out of the reported values is as it was worked out.
        """
        own = {channel.name for channel in self.robot.channels}
        reported = self._sensing.report
        raw = self._sensing.raw
        return {c.name: (raw if c.name in own else reported)[c.name].copy() for c in self.channels}

    def reported_values(self) -> dict[str, np.ndarray]:
        """Return each channel's part of the latest observation."""
        return {name: values.copy() for name, values in self._sensing.report.items()}

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Apply `values` from the next reset on, and all other parameters' nominals.

        Args:
            values: a number by parameter name; it may be empty.

        Raises:
            ParameterError: an unknown name or a value out of bounds; then nothing changes.
        """
        self._values = {**self.parameters.nominal(), **self.parameters.validate(values)}

    @property
    def period(self) -> float:
        """The control step in seconds."""
        return self.timing.period

    def adjust_parameters(self, values: Mapping[str, float]) -> None:
        """Apply values of `live` parameters at once; the next reset takes what was set before it.

        Args:
            values: a number by parameter name.

        Raises:
            ParameterError: an unknown name, a value out of bounds, or a parameter that is fixed
                during an episode; then nothing changes.
        """
        values = self.parameters.validate(values)
        if fixed := [name for name in values if not self.parameters[name].live]:
            raise ParameterError(f"parameter '{fixed[0]}' is fixed during an episode")
        self._adjusted = {**self._adjusted, **values}
        now = {**self._values, **self._adjusted}
        for apply, parameters in self._appliers:
            if any(p.name in values for p in parameters):
                apply(**{p.name: now[p.name] for p in parameters})
        self._sensing.disturb(now)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode: restore the snapshot, apply parameters, reset the parts.

        Args:
            seed: everything random in the episode follows from it; the goal does not depend on
                the parameters, so that shifted worlds are compared on the same goals. None goes
                on with the generators of before.
            options: not used.

        Returns:
            The observation, and an info with the `parameters` of the episode.

        Raises:
            HeadstartError: the world is closed.
        """
        if self._idle == CLOSED:
            raise HeadstartError(CLOSED)
        self._idle = NOT_RESET
        super().reset(seed=seed)
        if seed is not None:
            self._task_rng, self._sensor_rng = _streams(np.random.SeedSequence(seed))
        morphology = {p.name: self._values[p.name] for p in self.morphology}
        if morphology != self._morphology:
            self.simulation.clear()
            self._build(morphology)
        self.simulation.restore()
        for apply, parameters in self._appliers:
            apply(**{p.name: self._values[p.name] for p in parameters})
        self._actuation.configure(self._values[self.robot.action_delay.name] / self.timing.timestep)
        self._sensing.configure(self._values)
        self._adjusted = {}
        self.robot.sent, self.robot.action = self._actuation.rest(), self._actuation.action
        self.robot.reset(self._task_rng)
        self.task.reset(self._task_rng)
        self._sums = dict.fromkeys(self._weights, 0.0)
        self._steps_left = self.task.episode_steps
        self.robot.sense(self._sensing.raw)
        self._sensing.reset()
        self._idle = ""
        return self._observe(), {"parameters": dict(self._values), "success": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advance by one control step.

        Args:
            action: float, shape `(number of commands,)`; clipped to [-1, 1].

        Returns:
            Observation, reward, terminated, truncated and info, as Gymnasium defines them.

        Raises:
            ValueError: the action has a NaN or the wrong shape.
            HeadstartError: no episode was started, or the world is closed.
        """
        if self._idle:
            raise HeadstartError(self._idle)
        robot = self.robot
        robot.sent, robot.action = self._actuation.push(action), self._actuation.action
        for command, steps in self._actuation.spans():
            robot.advance(command, steps)
        robot.sense(self._sensing.raw)
        terms, terminated, success = self.task.judge()
        reward = self._weigh(terms)
        self._steps_left -= 1
        truncated = not terminated and self._steps_left <= 0
        info = self._summary(success) if terminated or truncated else {}
        return self._observe(), reward, terminated, truncated, info

    def _observe(self) -> np.ndarray:
        self.task.complete(self._sensing.read(self._sensor_rng))
        if self.render_mode == "human":
            self._show()
        return self._sensing.observation()

    def _weigh(self, terms: Mapping[str, float]) -> float:
        """Weigh and add the reward terms, keeping their sums over the episode."""
        reward, sums = 0.0, self._sums
        for name, weight in self._weights.items():
            part = weight * terms[name]
            sums[name] += part
            reward += part
        return reward

    def _summary(self, success: bool) -> dict[str, Any]:
        return {
            "parameters": dict(self._values),
            "success": success,
            "reward_terms": dict(self._sums),
        }

    def _show(self) -> None:
        self.robot.show()
        self.task.show()

    def render(self) -> np.ndarray | None:
        """Return a picture, uint8 `(height, width, 3)`, in mode "rgb_array"; else None.

        Raises:
            HeadstartError: the world is closed.
        """
        if self._idle == CLOSED:
            raise HeadstartError(CLOSED)
        if self.render_mode != "rgb_array":
            return None
        self._show()
        c = self.task.camera
        return self.simulation.camera_image(c.target, c.distance, c.yaw, c.pitch, *self._image_size)

    def close(self) -> None:
        """Free the PyBullet client; may be called again."""
        self._idle = CLOSED
        self.simulation.close()


def _streams(seed: np.random.SeedSequence) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the task's and the sensors' generators."""
    task, sensors = seed.spawn(2)
    return np.random.default_rng(task), np.random.default_rng(sensors)

"""The contract catches what it is there for: one broken environment after the other."""

import gymnasium
import numpy as np
import pytest
from headstart.envs import Parameter, ParameterSpace
from headstart.envs.contract.examine import PROPERTIES, Subject, examine

ASKED = {asked.name: asked for asked in PROPERTIES}


class Toy(gymnasium.Env):
    """A mass pushed along a line. It holds everything; each case below breaks one thing."""

    parameters = ParameterSpace(
        [
            Parameter("mass", "kg", 1.0, 0.5, 2.0, "what is pushed"),
            Parameter("wind", "N", 0.0, -1.0, 1.0, "pushes, too"),
        ]
    )
    observation_space = gymnasium.spaces.Box(-100.0, 100.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    length = 30

    def __init__(self):
        self.values = self.parameters.nominal()

    def set_parameters(self, values):
        self.values = {**self.parameters.nominal(), **self.parameters.validate(values)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.start(self.np_random)
        self.steps = 0
        return self.observe(), {"parameters": dict(self.values)}

    def start(self, rng):
        self.place, self.speed = rng.uniform(-1.0, 1.0, 2).tolist()

    def step(self, action):
        if np.shape(action) != (1,) or np.isnan(action).any():
            raise ValueError(f"bad action {action}")
        self.speed += 0.1 * (float(action[0]) + self.wind()) / self.mass()
        self.place += 0.1 * self.speed
        self.steps += 1
        over = self.steps == self.length
        info = {"success": abs(self.place) < 0.5} if over else {}
        return self.observe(), -abs(self.place), False, over, info

    def mass(self):
        return self.values["mass"]

    def wind(self):
        return self.values["wind"]

    def observe(self):
        return np.array([self.place, self.speed], np.float32)


class ResetReturnsOnlyTheObservation(Toy):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class CannotBeMade(Toy):
    def __init__(self):
        raise RuntimeError("no such file: robot.urdf")


class ResetTakesNoOptions(Toy):
    def reset(self, *, seed=None):
        return super().reset(seed=seed)


class TerminatedIsANumber(Toy):
    def step(self, action):
        observation, reward, _, over, info = super().step(action)
        return observation, reward, 0.5, over, info


class NaNAtACorner(Toy):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, float("nan") if abs(action[0]) == 1.0 else reward, *rest


class InfinityAtABound(Toy):
    def observe(self):
        blown = np.inf if self.values["mass"] == 2.0 and self.steps > 5 else self.place
        return np.array([blown, self.speed], np.float32)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return super().reset(seed=seed)


class RewardIsAnArray(Toy):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class OutOfItsSpace(Toy):
    observation_space = gymnasium.spaces.Box(-0.5, 0.5, (2,), np.float32)


class ReturnsItsBuffer(Toy):
    def __init__(self):
        super().__init__()
        self.buffer = np.zeros(2, np.float32)

    def observe(self):
        self.buffer[:] = self.place, self.speed
        return self.buffer


class ReturnsViewsOfItsHistory(Toy):
    def __init__(self):
        super().__init__()
        self.history = np.zeros(100_000, np.float32)
        self.now = 0

    def observe(self):
        self.now += 1
        self.history[self.now : self.now + 2] = self.history[self.now], self.speed
        return self.history[self.now : self.now + 2]


class ChangesTheAction(Toy):
    def step(self, action):
        action *= 0.5
        return super().step(action)


class ConstantElement(Toy):
    observation_space = gymnasium.spaces.Box(-100.0, 100.0, (3,), np.float32)

    def observe(self):
        return np.array([self.place, 0.25, self.speed], np.float32)


class ElementOfTheEpisode(Toy):
    """Its second element, meant to be the speed, is written by reset only."""

    observation_space = gymnasium.spaces.Box(-100.0, 100.0, (2,), np.float32)

    def reset(self, **options):
        _, info = super().reset(**options)
        self.kept = self.place
        return self.observe(), info

    def observe(self):
        return np.array([self.place, getattr(self, "kept", 0.0)], np.float32)


class NeverEnds(Toy):
    length = -1


class TerminatesOnly(Toy):
    def step(self, action):
        observation, reward, _, over, info = super().step(action)
        return observation, reward, over, False, info


class SuccessIsAWord(Toy):
    def step(self, action):
        *most, info = super().step(action)
        return *most, {"success": "yes"} if info else {}


class SuccessIsNotTold(Toy):
    def step(self, action):
        *most, info = super().step(action)
        return *most, {"return": 1.0} if info else {}


class CarriesOnAfterTheEnd(Toy):
    late = 0

    def step(self, action):
        result = super().step(action)
        self.late += self.steps > self.length
        return result

    def wind(self):
        return super().wind() + self.late


class TakesAnyAction(Toy):
    def step(self, action):
        return super().step(np.nan_to_num(np.ravel(action)[:1]))


class ClosesOnce(Toy):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("not connected to physics server")
        self.closed = True


class KeepsEverything(Toy):
    def __init__(self):
        super().__init__()
        self.kept = []

    def reset(self, *, seed=None, options=None):
        self.kept.append(np.ones(2**12))
        return super().reset(seed=seed)


class UsesMuchAndFreesIt(Toy):
    def reset(self, *, seed=None, options=None):
        blocks = [bytearray(9_000) for _ in range(900)]
        assert len(blocks) == 900
        return super().reset(seed=seed)


class ParameterWithoutAUnit(Toy):
    parameters = ParameterSpace([Parameter("mass", "", 1.0, 0.5, 2.0, "?"), Toy.parameters["wind"]])


class NominalIsSomethingElse(Toy):
    def __init__(self):
        self.values = {"mass": 1.2, "wind": 0.0}


class WindWithoutEffect(Toy):
    def wind(self):
        return 0.0


class SaysTheNominals(Toy):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"parameters": self.parameters.nominal()}


class SaysNoParameters(Toy):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {}


class NeverForgets(Toy):
    def set_parameters(self, values):
        self.values.update(self.parameters.validate(values))


class Compounds(Toy):
    factor = 1.0

    def reset(self, *, seed=None, options=None):
        self.factor *= self.values["mass"]
        return super().reset(seed=seed)

    def mass(self):
        return self.factor


class ChecksNoBounds(Toy):
    def set_parameters(self, values):
        known = {name: value for name, value in values.items() if self.parameters[name]}
        self.values = self.parameters.nominal() | known


class RefusesHalfway(Toy):
    def set_parameters(self, values):
        self.values = self.parameters.nominal()
        for name, value in values.items():
            self.values |= self.parameters.validate({name: value})


class Unseeded(Toy):
    def start(self, rng):
        super().start(np.random.default_rng())


class CarriesItsSpeedOver(Toy):
    speed = 0.0

    def start(self, rng):
        self.place = rng.uniform(-1.0, 1.0)


class OneEpisodeOnly(Toy):
    def start(self, rng):
        super().start(np.random.default_rng(0))


class ResetsWithoutASeedAreSeeded(Toy):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=0 if seed is None else seed)


class SharesItsParameters(Toy):
    shared: dict = {}  # noqa: RUF012

    def set_parameters(self, values):
        super().set_parameters(values)
        type(self).shared = self.values

    def mass(self):
        return self.shared["mass"]


class SharesItsSpeed(Toy):
    moving = [0.0]  # noqa: RUF012

    def start(self, rng):
        super().start(rng)
        self.moving[0] = self.speed

    def step(self, action):
        self.speed = self.moving[0]
        result = super().step(action)
        self.moving[0] = self.speed
        return result


# Each: the property, what is broken, what is seen, what is advised.
CASES = [
    ("starts", ResetReturnsOnlyTheObservation, "float32 for info", "(observation, info)"),
    ("starts", CannotBeMade, "RuntimeError: no such file: robot.urdf (test_catches", "error"),
    ("gymnasium_checker", ResetTakesNoOptions, "options", "check_env"),
    ("sb3_checker", TerminatedIsANumber, "must be a boolean", "check_env"),
    ("finite", NaNAtACorner, "with corner actions at mass 2, wind -1: reward is nan", "Clip"),
    ("finite", InfinityAtABound, "step 6 with corner actions at mass 2", "bounds"),
    ("rewards", RewardIsAnArray, "is of type ndarray", "float(reward)"),
    ("in_space", OutOfItsSpace, "is not in Box(-0.5, 0.5", "observation_space"),
    ("no_aliasing", ReturnsItsBuffer, "observation was changed after it was returned", "copy()"),
    ("no_aliasing", ReturnsViewsOfItsHistory, "shares memory", "copy()"),
    ("no_aliasing", ChangesTheAction, "step 1: action[0]", "copy the action"),
    ("no_constant", ConstantElement, "observation[1] had one value", "Leave the element out"),
    ("no_constant", ElementOfTheEpisode, "observation[1] had one value all through", "Leave"),
    ("episodes_end", NeverEnds, "no end within 5,000", "max_episode_steps"),
    ("success_is_reported", SuccessIsAWord, "'yes'", "True or False"),
    ("after_an_end", CarriesOnAfterTheEnd, "after such steps: step 1", "in reset"),
    ("bad_actions", TakesAnyAction, "an action with a NaN (reward -", "raise ValueError"),
    ("close_twice", ClosesOnce, "not connected to physics server", "close do nothing"),
    ("memory", KeepsEverything, "MiB more after 300 resets", "lists that only grow"),
    ("declared", ParameterWithoutAUnit, "'mass' has no unit", "Parameter(name, unit"),
    ("nominal", NominalIsSomethingElse, "set_parameters({}): step 1: observation", "nominals"),
    ("effect", WindWithoutEffect, "with 'wind' from -1 to 1", "where set_parameters puts it"),
    ("read_back", SaysTheNominals, "'mass' is reported as 1.0, expected 2.0", "self.values"),
    ("forgets", NeverForgets, "in a new instance and after", "**self.parameters.nominal()"),
    ("no_compounding", Compounds, "before and after 300 resets: step 1", "mass *= factor"),
    ("bad_parameters", ChecksNoBounds, "{'mass': 4.5} was taken", "self.parameters.validate"),
    ("bad_parameters", RefusesHalfway, "was refused but changed step 1", "before anything"),
    ("same_seed", Unseeded, "twice in one instance: reset: observation[0]", "self.np_random"),
    ("same_seed", CarriesItsSpeedOver, "reset: observation[1]", "in reset"),
    ("other_seed", OneEpisodeOnly, "seeds 3 and 4 gave the same", "self.np_random"),
    ("other_seed", ResetsWithoutASeedAreSeeded, "without a seed gave the same", "without a seed"),
    ("two_instances", SharesItsParameters, "beside another: step 1", "not on the class"),
    ("two_instances", SharesItsSpeed, "beside another: step 2", "not on the class"),
]


def outcome(make, name, *, foreign=False):
    subject = Subject(make, foreign=foreign)
    (found,) = examine(subject, [ASKED[name]])
    subject.close()
    return found


def test_every_property_is_seen_to_fail():
    # test_runs.py sees to the one that needs two processes.
    assert {name for name, *_ in CASES} | {"across_processes"} == set(ASKED)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1].__name__}")
def test_catches(case):
    name, broken, seen, mend = case
    found = outcome(broken, name)
    assert found.verdict == "does not hold"
    assert seen in found.seen
    assert mend in found.property.fix
    assert found.property.means
    foreign = outcome(broken, name, foreign=True)
    assert foreign.verdict == ("to note" if ASKED[name].advisory else "does not hold")


def test_memory_does_not_depend_on_what_ran_before():
    # Every other block of a heap freed: holes that are filled and freed anew, and do not shrink.
    blocks = [bytearray(9_500) for _ in range(8_000)]
    kept = blocks[::2]
    del blocks
    found = outcome(UsesMuchAndFreesIt, "memory")
    assert (found.verdict, found.seen) == ("holds", "")
    assert len(kept) == 4_000


def test_chance_is_blamed_once():
    subject = Subject(Unseeded)
    verdicts = {found.property.name: found for found in examine(subject)}
    subject.close()
    assert [name for name, found in verdicts.items() if found.verdict == "does not hold"] == [
        "gymnasium_checker",
        "same_seed",
    ]
    for name in ("nominal", "effect", "forgets", "no_compounding", "two_instances"):
        assert verdicts[name].verdict == "not applicable"
        assert verdicts[name].seen == "the same seed does not give the same trajectory"


@pytest.mark.parametrize("name", [name for name in ASKED if name != "across_processes"])
def test_lets_the_sound_one_pass(name):
    found = outcome(Toy, name)
    assert (found.verdict, found.seen) == ("holds", "")


@pytest.mark.parametrize(
    ("name", "broken", "seen"),
    [
        ("success_is_reported", SuccessIsNotTold, "['return']"),
        ("read_back", SaysNoParameters, 'no "parameters"'),
        ("episodes_end", TerminatesOnly, "no time limit was seen"),
    ],
)
def test_notes(name, broken, seen):
    found = outcome(broken, name, foreign=True)
    assert found.verdict == "to note"
    assert seen in found.seen

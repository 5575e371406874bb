"""Delays are exact to a fraction of a step; noise, bias and dropout do what they declare."""

import math

import numpy as np
import pytest
from headstart.envs.parameters import Parameter
from headstart.envs.sensing import Actuation, Channel, Command, DelayLine, Sensing

COMMANDS = (Command("speed", "m/s", -2.0, 6.0, "speed"),)


def held(delay, actions, substeps=4, commands=COMMANDS):
    """What each physics step applies for a row of actions in [-1, 1]."""
    line = Actuation(commands, substeps)
    line.configure(delay)
    applied = []
    for action in actions:
        line.push([action])
        applied += [command[0] for command, steps in line.spans() for _ in range(steps)]
    return applied


def test_actions_are_scaled_and_clipped():
    line = Actuation(COMMANDS, 1)
    assert line.push([-1.0]) == [-2.0]
    assert line.push([0.5]) == [4.0]
    assert line.push([3.0]) == [6.0]
    two = Actuation(COMMANDS * 2, 1)
    assert two.push(np.array([1.7e308, 1.7e308])) == [6.0, 6.0]


def test_no_delay_applies_the_command_at_once():
    assert held(0.0, [1.0, -1.0]) == [6.0] * 4 + [-2.0] * 4


def test_a_delay_of_whole_physics_steps_is_exact():
    # Until the first command arrives, the middle of the range (2 m/s) is held.
    assert held(3.0, [1.0, -1.0, -1.0]) == [2.0] * 3 + [6.0] * 4 + [-2.0] * 5
    assert held(9.0, [1.0, -1.0, -1.0]) == [2.0] * 9 + [6.0] * 3


def test_a_command_may_rest_elsewhere_than_in_the_middle():
    resting = (Command("speed", "m/s", -2.0, 6.0, "speed", rest=-1.0),)
    assert held(3.0, [1.0, 1.0], commands=resting) == [-1.0] * 3 + [6.0] * 5
    # Half a physics step of -1 and half of 6.
    assert held(0.5, [1.0], commands=resting) == [2.5] + [6.0] * 3


def test_a_fraction_of_a_physics_step_is_blended():
    # Delayed by 2.25 steps, the switch from 2 to 6 falls a quarter into the third step, so that
    # this step's mean is 0.25 * 2 + 0.75 * 6 = 5.
    assert held(2.25, [1.0, 1.0]) == [2.0, 2.0, 5.0, 6.0, 6.0, 6.0, 6.0, 6.0]
    # 4.5 steps: one control step and a half physics step: 0.5 * 2 + 0.5 * 6 = 4.
    assert held(4.5, [1.0, 1.0]) == [2.0] * 4 + [4.0] + [6.0] * 3


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0, 3.75, 4.0, 7.1, 11.9])
def test_the_delayed_command_conserves_the_impulse(delay):
    # Sum over time of (command - 2) is unchanged by a delay once all of it has arrived.
    actions = [0.7, -0.2, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    expected = 4 * sum(4.0 * a for a in actions)
    assert math.isclose(sum(v - 2.0 for v in held(delay, actions)), expected, abs_tol=1e-9)


@pytest.mark.parametrize("action", [[math.nan], [0.0, 0.0], []])
def test_bad_actions_are_refused(action):
    with pytest.raises(ValueError, match="action"):
        Actuation(COMMANDS, 1).push(action)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (0.0, [1, 2, 4, 8]),
        (1.0, [0, 1, 2, 4]),
        (2.0, [0, 0, 1, 2]),
        # 0.25: three quarters of now and a quarter of one step before.
        (0.25, [0.75, 1.75, 3.5, 7.0]),
        # 1.5: half of one and half of two steps before.
        (1.5, [0.0, 0.5, 1.5, 3.0]),
    ],
)
def test_delay_line_interpolates(delay, expected):
    line = DelayLine(1, delay)
    line.fill(np.zeros(1))
    assert [float(line.push(np.array([v]))[0]) for v in (1.0, 2.0, 4.0, 8.0)] == expected


def test_between_two_steps_an_angle_goes_the_shorter_way_around():
    line = DelayLine(4, 0.5, angle=True)
    line.fill(np.array([3.1, -3.1, -3.0, 0.2]))
    across, up, down, plain = line.push(np.array([-3.1, 3.0, 3.1, 0.4])).tolist()
    assert abs(across) == pytest.approx(math.pi)
    # Between 3.0 and -3.1, which is 3.183, lies 3.092; between 3.1 and -3.0, 3.283, lies -3.092.
    assert up == pytest.approx((3.0 + 2 * math.pi - 3.1) / 2)
    assert down == pytest.approx((3.1 + 2 * math.pi - 3.0) / 2 - 2 * math.pi)
    assert plain == 0.4 + 0.5 * (0.2 - 0.4)


NOISE = Parameter("noise", "m", 0.0, 0.0, 1.0, "noise")
BIAS = Parameter("bias", "m", 0.0, -1.0, 1.0, "bias")
DELAY = Parameter("delay", "s", 0.0, 0.0, 1.0, "delay")
DROPOUT = Parameter("dropout", "1", 0.0, 0.0, 1.0, "dropout")
CHANNELS = (
    Channel("plain", 2, "m", -1.0, 1.0, "untouched"),
    Channel("odd", 200, "m", 0.0, 1.0, "all", NOISE, BIAS, DELAY, DROPOUT, dropped=9.0),
)


def reported(values, rows=1, **parameters):
    sensing = Sensing(CHANNELS, period=0.1)
    sensing.configure({"noise": 0.0, "bias": 0.0, "delay": 0.0, "dropout": 0.0, **parameters})
    sensing.raw["plain"][:] = 0.5
    sensing.raw["odd"][:] = values
    sensing.reset()
    for _ in range(rows):
        report = sensing.read(np.random.default_rng(1))
    return report


def test_channels_report_the_truth_when_nothing_is_declared_otherwise():
    report = reported(0.25)
    assert np.all(report["odd"] == 0.25)
    assert np.all(report["plain"] == 0.5)


def test_bias_noise_and_dropout_touch_only_their_channel():
    assert np.all(reported(0.25, bias=0.5)["odd"] == 0.75)
    noisy = reported(0.25, noise=0.1)
    # 200 draws of standard deviation 0.1: mean and deviation within 4 standard errors.
    assert abs(noisy["odd"].mean() - 0.25) < 4 * 0.1 / math.sqrt(200)
    assert abs(noisy["odd"].std() - 0.1) < 4 * 0.1 / math.sqrt(400)
    dropped = reported(0.25, dropout=0.3)["odd"]
    share = np.mean(dropped == 9.0)
    assert set(np.unique(dropped)) == {0.25, 9.0}
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 200)
    for report in (noisy, reported(0.25, bias=0.5), reported(0.25, dropout=0.3)):
        assert np.all(report["plain"] == 0.5)


def test_what_is_held_stays_as_last_reported_but_for_an_episodes_first():
    held = Channel("held", 200, "m", 0.0, 9.0, "all", bias=BIAS, dropout=DROPOUT, dropped=None)
    sensing, rng = Sensing((held,), period=0.1), np.random.default_rng(1)
    sensing.configure({"bias": 0.5, "dropout": 0.3})
    for _ in range(2):
        sensing.reset()
        rows = []
        for true in (1.0, 2.0, 3.0):
            sensing.raw["held"][:] = true
            rows.append(sensing.read(rng)["held"].copy())
        # Reported means with its error; the chance to see the first still in the third is 0.3^2.
        assert np.all(rows[0] == 1.5)
        assert set(np.unique(rows[1])) == {1.5, 2.5}
        assert set(np.unique(rows[2])) == {1.5, 2.5, 3.5}
        assert np.all(rows[2][rows[2] == 1.5] == rows[1][rows[2] == 1.5])
        assert abs(np.mean(rows[2] == 1.5) - 0.09) < 4 * math.sqrt(0.09 * 0.91 / 200)


def test_observation_delay_is_in_seconds():
    sensing = Sensing(CHANNELS, period=0.1)
    sensing.configure({"noise": 0.0, "bias": 0.0, "delay": 0.15, "dropout": 0.0})
    sensing.raw["odd"][:] = 0.0
    sensing.reset()
    rng = np.random.default_rng(0)
    seen = []
    for time in (0.1, 0.2, 0.3, 0.4):
        sensing.raw["odd"][:] = time
        seen.append(float(sensing.read(rng)["odd"][0]))
    # A signal that equals the time, seen 0.15 s later (0 before it began).
    assert np.allclose(seen, [0.0, 0.05, 0.15, 0.25])


def test_observations_are_copies():
    sensing = Sensing(CHANNELS, period=0.1)
    first = sensing.observation()
    sensing.raw["plain"][:] = 7.0
    sensing.read(np.random.default_rng(0))
    assert not np.any(first == 7.0)


def test_noisy_channels_are_unbounded():
    low, high = Sensing(CHANNELS, 0.1).bounds()
    assert low[0] == -1.0
    assert high[1] == 1.0
    assert np.all(np.isinf(low[2:]))
    assert np.all(np.isinf(high[2:]))

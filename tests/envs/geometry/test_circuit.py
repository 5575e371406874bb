"""Track geometry against numbers worked out by hand."""

import math

import numpy as np
import pytest
from headstart.envs.geometry.circuit import INSIDE, LAP, WIDEST, Circuit, generate_circuit
from headstart.envs.geometry.rays import Rays


def rectangle() -> Circuit:
    """A counter-clockwise rectangle 20 m by 10 m, 2 m wide: walls at 22 x 12 and 18 x 8 m."""
    centre = np.array([(-10.0, -5.0), (10.0, -5.0), (10.0, 5.0), (-10.0, 5.0)])
    inwards = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
    return Circuit(centre, inwards, 2.0)


def ring(pieces: int = 720) -> Circuit:
    """A counter-clockwise ring of radius 4 m, 2 m wide."""
    angles = np.arange(pieces) * 2 * math.pi / pieces
    outwards = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return Circuit(4.0 * outwards, -outwards, 2.0)


def fan(*degrees: float, reach: float = 20.0) -> Rays:
    return Rays(np.zeros((len(degrees), 2)), np.radians(degrees), np.full(len(degrees), reach))


def test_beams_in_a_straight_corridor() -> None:
    rays = fan(-90, -45, 0, 30, 45, 90, 180)
    # In the middle of the lower corridor, heading along it: a wall 1 m to either side, the outer
    # walls 11 m ahead and behind.
    ranges = rectangle().cast(rays, 0.0, -5.0, 0.0)
    root = math.sqrt(2)
    assert ranges == pytest.approx([1.0, root, 11.0, 2.0, root, 1.0, 11.0])
    # 0.4 m nearer to the left wall and turned left by 30 degrees.
    ranges = rectangle().cast(fan(-120, 0, 60), 0.0, -4.6, math.radians(30))
    assert ranges == pytest.approx([1.4, 1.2, 0.6])


def test_beams_around_a_corner_see_past_the_inner_wall() -> None:
    # At the lower corridor's right end the right corridor opens, whose far end is at y = 6.
    assert rectangle().cast(fan(90), 10.0, -5.0, 0.0) == pytest.approx([11.0])


def test_beams_in_a_ring() -> None:
    # At (4, 0), heading along +y; the chords of circles of radius 3 and 5 m through there.
    ranges = ring().cast(fan(-90, 0, 45, 90), 4.0, 0.0, math.pi / 2)
    assert ranges == pytest.approx([1.0, 3.0, 2 * math.sqrt(2) - 1, 1.0], abs=2e-3)


def test_rays_start_where_they_are_mounted() -> None:
    rays = Rays(np.array([(0.3, 0.0), (0.0, 0.25)]), np.radians([0.0, 90.0]), np.full(2, 20.0))
    assert rectangle().cast(rays, 0.0, -5.0, 0.0) == pytest.approx([10.7, 0.75])
    assert rectangle().cast(rays, 0.0, -5.0, math.pi) == pytest.approx([10.7, 0.75])


def test_reach_ends_a_beam() -> None:
    assert rectangle().cast(fan(0, 90, reach=10.0), 0.0, -5.0, 0.0) == pytest.approx([10.0, 1.0])


def test_beams_equal_a_plain_search_over_all_walls() -> None:
    rng = np.random.default_rng(0)
    degrees = np.linspace(-135, 135, 24)
    for seed in range(20):
        circuit = generate_circuit(np.random.default_rng(seed), 1.5)
        x, y, _ = circuit.pose(int(rng.integers(100)))
        x, y, yaw = x + rng.uniform(-0.3, 0.3), y + rng.uniform(-0.3, 0.3), rng.uniform(-3, 3)
        expected = [
            min(
                _meeting(x, y, yaw + math.radians(a), wall[k - 1], wall[k])
                for wall in (circuit.left, circuit.right)
                for k in range(len(wall))
            )
            for a in degrees
        ]
        assert circuit.cast(fan(*degrees), x, y, yaw) == pytest.approx(expected)


def _meeting(x: float, y: float, angle: float, start: np.ndarray, end: np.ndarray) -> float:
    """Solve position + t * direction = start + u * (end - start) for 0 <= u < 1, t >= 0."""
    direction = np.array((math.cos(angle), math.sin(angle)))
    t, u = np.linalg.solve(np.stack((direction, start - end), axis=1), start - (x, y))
    return t if t >= 0 and 0 <= u < 1 else math.inf


def test_projection_and_progress() -> None:
    circuit = rectangle()
    assert circuit.length == 60.0
    assert circuit.project(0.0, -5.3, 0) == (0, 10.0)
    # Around the corner, beyond the end of the piece it starts from, in either direction.
    assert circuit.project(10.4, -3.0, 0) == (1, 22.0)
    assert circuit.project(9.0, -5.2, 1) == (0, 19.0)
    assert circuit.project(-10.2, 0.0, 0) == (3, 55.0)
    # Outside the corner the vertex itself is nearest, whichever piece the search starts from.
    for piece in (0, 1):
        assert circuit.project(10.5, -5.7, piece)[1] == 20.0
    assert circuit.advance(10.0, 10.5) == pytest.approx(0.5)
    assert circuit.advance(10.5, 10.0) == pytest.approx(-0.5)
    assert circuit.advance(59.5, 1.0) == pytest.approx(1.5)
    assert circuit.advance(1.0, 59.5) == pytest.approx(-1.5)


def test_progress_around_a_lap_adds_up() -> None:
    circuit = generate_circuit(np.random.default_rng(1), 1.5)
    way = np.vstack((circuit.centre, circuit.centre[:1])) + np.array((0.1, -0.2))
    piece, before = circuit.project(*way[0], 0)
    driven = 0.0
    for x, y in way[1:]:
        piece, after = circuit.project(x, y, piece)
        assert 0.0 < circuit.advance(before, after) < 0.5
        driven += circuit.advance(before, after)
        before = after
    assert driven == pytest.approx(LAP)


@pytest.mark.parametrize("width", [1.0, 1.5, WIDEST])
def test_walls_leave_the_whole_width(width: float) -> None:
    for seed in range(100):
        circuit = generate_circuit(np.random.default_rng(seed), width)
        assert circuit.length == pytest.approx(LAP)
        for wall in (circuit.left, circuit.right):
            gaps = np.linalg.norm(wall[:, None] - circuit.centre, axis=-1)
            assert gaps.min() > 0.5 * width - 0.01


def test_curves_are_drivable_and_turn_both_ways() -> None:
    lefts, turned = 0, []
    for seed in range(100):
        circuit = generate_circuit(np.random.default_rng(seed), 1.5)
        steps = np.roll(circuit.centre, -1, axis=0) - circuit.centre
        headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        lefts += headings[-1] > headings[0]
        bends = np.diff(headings) / np.linalg.norm(steps[1:], axis=1)
        assert np.abs(bends).max() < 1.05 / (0.5 * WIDEST + INSIDE)
        turned.append((bends > 0.05).any() and (bends < -0.05).any())
    assert 30 < lefts < 70
    assert np.mean(turned) > 0.8


def test_a_track_follows_from_its_seed_alone() -> None:
    one, same, other = (generate_circuit(np.random.default_rng(seed), 1.5) for seed in (7, 7, 8))
    assert np.array_equal(one.left, same.left)
    assert np.array_equal(one.right, same.right)
    assert not np.allclose(one.centre, other.centre)
    assert np.array_equal(one.centre, generate_circuit(np.random.default_rng(7), 1.1).centre)

"""Students of teachers: what they estimate and imitate, by hand and in small worlds."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.bundles.statistics import normalizer_arrays
from headstart.agents.evaluation import evaluate
from headstart.agents.learner import create
from headstart.agents.policies.history import Frames
from headstart.agents.session import Session
from headstart.agents.training import train
from headstart.core.errors import HeadstartError
from headstart.envs.privileged import PrivilegedWorld
from headstart.envs.spec import WorldSpec
from headstart.transfer.methods import Problem, check_method, resolve_method
from headstart.transfer.methods import adapt as adapting
from headstart.transfer.methods import distill as distilling
from headstart.transfer.methods.distill import mean_actions, scaled, seen_by
from headstart.transfer.methods.parts.extrinsics import CANDIDATES, KEPT, ExtrinsicsSearch
from headstart.transfer.methods.parts.students import SourceWorlds, linear_probe
from headstart.transfer.randomization import randomized

POLE = "headstart/CartPoleSwingUp-v0"
PPO = {"worlds": 2, "n_steps": 64, "batch_size": 64, "n_epochs": 2}
PPO["policy_kwargs"] = {"net_arch": [8]}
TEACHER = {"parameters": ["pole_mass", "motor_strength"], "latent": 2}
ADAPT = {"frames": 13, "source_steps": 2048}


def source():
    changes = {"pole_mass": "* uniform(0.5, 2)", "motor_strength": "* uniform(0.5, 1.5)"}
    return randomized(WorldSpec(POLE).make(), changes)


def made(directory, **settings):
    one = create(resolve_algorithm({"ppo": {**PPO, **settings}}, POLE), source, 0)
    train(one, steps=128, seed=0, grid=[], evaluate=print, on_evaluation=print)
    bundle.save(one, directory, world_id=POLE)
    one.close()
    return bundle.load(directory)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return made(tmp_path_factory.mktemp("teacher") / "bundle", policy_sees=TEACHER)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return made(tmp_path_factory.mktemp("plain") / "bundle")


@pytest.fixture
def start():
    learners = []

    def begin(method, of, steps=640):
        target = WorldSpec(POLE, shift={"pole_mass": "= 0.3"}).make
        problem = Problem(of, of.algorithm, target, 3, steps, make_source=source)
        learners.append(resolve_method(method).start(problem))
        return learners[-1]

    yield begin
    for one in learners:
        one.close()


def test_the_linear_probe_by_hand():
    latents = np.arange(8.0)[:, None]
    noise = np.array([0, 0, 0, 0, 1, -1, -1, 1])
    values = np.column_stack([3 * latents[:, 0] + 1, noise, np.full(8, 2.0)])
    # A line explains the first; of the second, constant where it is fitted, nothing of a variance
    # of 1 about a mean of 0; the third does not vary.
    weights, found = linear_probe(latents, values)
    assert weights[:, 0] == pytest.approx([3.0, 1.0])
    assert found[:2] == pytest.approx([1.0, 0.0], abs=1e-9)
    assert np.isnan(found[2])


def test_an_oracle_is_told_the_true_parameters_as_they_change(teacher, start):
    spec = WorldSpec(POLE, shift={"pole_mass": "= 0.3", "motor_strength": "* 0.5 after 1 s"})
    plain, oracle = (start({"zero_shot": {"told": told}}, teacher) for told in (False, True))
    found = {}
    for name, one in (("plain", plain), ("oracle", oracle)):
        session = Session(one, spec.make, [7, 8])
        found[name] = session.evaluate().returns
        session._evaluator.close()
    # By hand: the same policy, given what each step's world has.
    acting, expected = teacher.policy().acting(), []
    world = PrivilegedWorld(spec.make(), teacher.privileges)
    for seed in (7, 8):
        seen, _ = world.reset(seed=seed)
        total, ended = 0.0, False
        while not ended:
            acting.privileged = seen["privileged"][None]
            action = acting.act(seen["observation"][None])[0]
            seen, reward, terminated, truncated, _ = world.step(action)
            total, ended = total + reward, terminated or truncated
        expected.append(total)
    world.close()
    assert found["oracle"] == pytest.approx(expected, rel=1e-4)
    assert not np.allclose(found["oracle"], found["plain"])


def test_only_a_teacher_can_be_told(plain):
    with pytest.raises(HeadstartError, match="zero_shot: told: only a teacher can be told"):
        check_method(resolve_method({"zero_shot": {"told": True}}), plain.algorithm)


def test_a_teacher_acts_by_what_it_is_told(teacher):
    policy = teacher.policy().acting()
    seen = np.array([[0.1, 0.2, 0.3, -0.4, 0.5]], np.float32)
    nominal = policy.act(seen)
    policy.privileged = teacher.privileges.unknown[None]
    assert np.array_equal(policy.act(seen), nominal)
    policy.privileged = teacher.privileges.unknown[None] + 0.5
    assert not np.array_equal(policy.act(seen), nominal)


def test_the_estimate_takes_the_place_of_the_encoders_latent(teacher, start):
    """A student that is told its teacher's latent acts as the teacher that is told the truth."""
    student = start({"adapt": ADAPT}, teacher)
    expert = teacher.policy()
    view = student.model.policy.features_extractor
    known = teacher.privileges.unknown[None] + np.array([[0.05, 0.3]], np.float32)
    view.is_fixed.fill_(1)
    view.fixed.copy_(adapting.teacher_latent(expert, known)[0])
    seen = np.array([[0.1, 0.2, 0.3, -0.4, 0.5]], np.float32)
    acting = expert.acting()
    acting.privileged = known
    np.testing.assert_allclose(student.acting().act(seen), acting.act(seen), atol=1e-5)
    assert student.layout.history.frames == 13
    assert student.source_steps == 2048
    assert "pole_mass" in student.decisions[0]["decision"]


def test_estimates_become_better(teacher, start, monkeypatch):
    """On the same steps, those of a student that has learned are nearer to the encoder's latent."""
    monkeypatch.setattr(adapting, "RATE", 5e-3)
    expert = teacher.policy()
    learned = start({"adapt": {**ADAPT, "source_steps": 8192}}, teacher)
    fresh = create(adapting.student_algorithm(teacher, 13), source, 0)
    adapting.take_over(expert, fresh)
    worlds = SourceWorlds(source, teacher.privileges, 9)
    rollout = worlds.rollout(learned, Frames(learned.layout, 16), [], 64)
    errors = []
    for student in (learned, fresh):
        with torch.no_grad():
            given = adapting.normalized(student, rollout.seen)
            wrong = adapting.adaptation_view(student).estimate(given)
        errors.append(
            float(((wrong - adapting.teacher_latent(expert, rollout.privileged)) ** 2).mean())
        )
    assert errors[0] < 0.9 * errors[1]
    worlds.close()
    fresh.close()


def test_an_adapted_student_is_a_bundle_without_parameters(teacher, start, tmp_path):
    student = start({"adapt": ADAPT}, teacher)
    assert not resolve_method({"adapt": ADAPT}).trains
    bundle.save(student, tmp_path / "b", world_id=POLE)
    again = bundle.load(tmp_path / "b")
    assert again.privileges is None
    world = WorldSpec(POLE, shift={"pole_mass": "= 0.3"}).make
    expected = evaluate(student.acting(), world, [1, 2]).returns
    assert np.array_equal(evaluate(again.policy().acting(), world, [1, 2]).returns, expected)
    other = start({"adapt": ADAPT}, teacher)
    assert all(torch.equal(a, other.tensors()[name]) for name, a in student.tensors().items())


def test_a_rma_trains_the_policy_and_not_the_estimate(teacher, start):
    student = start({"adapt": {**ADAPT, "then": "fine_tune", "critic_share": 0.3}}, teacher)
    before = {name: tensor.clone() for name, tensor in student.tensors().items()}
    train(student, steps=640, seed=0, grid=[], evaluate=print, on_evaluation=print)
    changed = {n for n, tensor in before.items() if not torch.equal(tensor, student.tensors()[n])}
    assert {"action_net.weight", "value_net.weight"} <= changed
    assert not any("features_extractor" in name for name in changed)


def test_the_search_deploys_the_best_candidate(teacher, start):
    """Returns are made up: the nearer a candidate is to (0.5, -0.5), the better."""
    student = start({"adapt": {**ADAPT, "then": "search"}}, teacher)
    [search] = [part for part in student.callbacks if isinstance(part, ExtrinsicsSearch)]
    goal, view = np.array([0.5, -0.5]), student.deployed.model.policy.features_extractor
    search._judge(-5.0)  # the policy's own estimate
    assert float(view.is_fixed) == 0
    first = [search._candidate()]
    for _ in range(CANDIDATES * 6):
        search._judge(-float(np.abs(search.candidate - goal).sum()))
        first.append(search._candidate())
    assert np.abs(np.array(search.best[0]) - goal).sum() < 0.25
    assert np.allclose(view.fixed.numpy(), search.best[0])
    assert float(view.is_fixed) == 1
    # The Gaussian is that of the better half of each round.
    again = ExtrinsicsSearch(student, student.deployed, [0.0, 0.0], 0.3, search.seed)
    again._judge(0.0)
    drawn = [
        (again.candidate.copy(), value)
        for value in (1, 2, 3, 4, 5, 6, 7, 8)
        if again._judge(value) is None
    ]
    assert len(drawn) == CANDIDATES
    latents = []
    for number in range(CANDIDATES + 1 - KEPT, CANDIDATES + 1):
        generator = np.random.default_rng([search.seed, number])
        latents.append(np.clip(0.3 * generator.standard_normal(2), -1, 1))
    assert np.allclose(again.mean, np.mean(latents, axis=0))
    restored = ExtrinsicsSearch(student, student.deployed, [0.0, 0.0], 0.3, search.seed)
    restored.restore(again.state())
    assert np.array_equal(restored.candidate, again.candidate)
    assert restored.state() == again.state()


def test_a_search_leaves_weights_alone_and_goes_on_exactly(teacher, start, tmp_path):
    method = {"adapt": {**ADAPT, "then": "search"}}
    settings = {"steps": 1536, "seed": 0, "grid": [], "evaluate": print, "on_evaluation": print}
    whole = start(method, teacher, 1536)
    before = whole.tensors()["action_net.weight"].clone()
    train(whole, **settings, checkpoint_every=768, save_checkpoint=lambda _: None)
    assert whole.callbacks[-1].number > 1
    assert torch.equal(whole.tensors()["action_net.weight"], before)
    part = start(method, teacher, 1536)

    def save(step):
        bundle.save(part, tmp_path / "b", world_id=POLE, replay_buffer=True)
        if step == 768:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(part, **settings, checkpoint_every=768, save_checkpoint=save)
    again = start(method, teacher, 1536)
    bundle.load(tmp_path / "b").restore(again)
    train(again, **settings, checkpoint_every=768, save_checkpoint=lambda _: None)
    assert again.callbacks[-1].state() == whole.callbacks[-1].state()


@pytest.mark.parametrize(
    ("sees", "said"),
    [
        ({"parameters": ["pole_mass"], "latent": 2}, "a latent of 2 numbers is larger than the 1 "),
        ({"parameters": ["pole_mass"], "latents": 2}, "unknown key 'latents'; did you mean"),
        ({"parameters": []}, "expected 'parameters', or a list of names"),
        ({"parameters": "parameters", "latent": 0}, "latent = 0: expected a whole number"),
    ],
)
def test_mistakes_of_teachers_are_one_clear_line(sees, said):
    with pytest.raises(HeadstartError) as caught:
        resolve_algorithm({"ppo": {"policy_sees": sees}}, POLE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_adapt_needs_a_teacher(plain):
    with pytest.raises(HeadstartError, match="method adapt needs a teacher: let the source's"):
        check_method(resolve_method("adapt"), plain.algorithm)
    with pytest.raises(HeadstartError, match="policy_sees: sac is not supported: expected ppo"):
        resolve_algorithm({"sac": {"policy_sees": TEACHER}}, POLE)


@pytest.mark.parametrize("student", [{}, {"history": 3}])
def test_a_student_comes_to_act_as_its_teacher_does(teacher, start, student):
    one = start({"distill": {"source_steps": 8192, "student": student}}, teacher)
    worlds = SourceWorlds(source, teacher.privileges, 5)
    frames = None if one.layout is None else Frames(one.layout, 16)
    rollout = worlds.rollout(one, frames, [teacher.policy().acting()], 32)
    with torch.no_grad():
        chosen = mean_actions(one, seen_by(one, rollout.seen)).numpy()
    wanted = scaled(one, rollout.labels)
    assert np.mean((chosen - wanted) ** 2) < 0.3 * np.var(wanted) + 1e-4
    assert "distilled" in one.decisions[0]["decision"]
    assert torch.equal(one.tensors()["log_std"], teacher.weights()["log_std"])
    worlds.close()


def test_several_teachers_share_the_worlds(teacher, plain):
    worlds = SourceWorlds(source, teacher.privileges, 0)
    student = plain.policy()
    teachers = [teacher.policy().acting(), plain.policy().acting()]
    rollout = worlds.rollout(student, None, teachers, 2)
    labels = rollout.labels.reshape(2, 16, 1)
    expected = plain.policy().acting().act(rollout.seen[:16])
    np.testing.assert_allclose(labels[0, 1::2], expected[1::2], atol=1e-6)
    assert not np.allclose(labels[0, 0::2], expected[0::2])
    worlds.close()


def test_a_distilled_policy_is_fine_tuned_without_its_critic_first(teacher, start):
    one = start({"distill": {"source_steps": 1024, "critic_share": 0.3}}, teacher)
    before = {name: tensor.clone() for name, tensor in one.tensors().items()}
    train(one, steps=128, seed=0, grid=[], evaluate=print, on_evaluation=print)
    changed = {n for n, tensor in before.items() if not torch.equal(tensor, one.tensors()[n])}
    assert "value_net.weight" in changed
    assert "action_net.weight" not in changed
    train(one, steps=640, seed=0, grid=[], evaluate=print, on_evaluation=print)
    assert not torch.equal(before["action_net.weight"], one.tensors()["action_net.weight"])


def test_teachers_of_other_action_spaces_are_refused(teacher, start, learner, tmp_path):
    class Two(gym.Env):
        observation_space = teacher.observation_space
        action_space = gym.spaces.Box(-1, 1, (2,))

    bundle.save(learner("ppo", make_world=Two), tmp_path / "two", world_id="Two-v0")
    method = {"distill": {"source_steps": 1024, "teachers": [str(tmp_path / "two")]}}
    with pytest.raises(HeadstartError, match=r"action space: shape \(2,\) in the source, \(1,\)"):
        start(method, teacher)


def test_the_view_needs_frames_enough():
    with pytest.raises(HeadstartError, match="frames"):
        resolve_method({"adapt": {"frames": 12}})


@pytest.mark.parametrize("name", ["adapt", "distill"])
def test_what_does_not_depend_on_the_target_is_learned_once(name, teacher, tmp_path, monkeypatch):
    """Another target, and another seed of its trial, take what was kept."""
    cls, settings, part, seeded = {
        "adapt": (adapting.Adapt, ADAPT, "features_extractor.", "features_extractor.probe"),
        "distill": (distilling.Distill, {"source_steps": 2048}, "", "action_net.weight"),
    }[name]
    calls = []
    learn = cls._learned
    monkeypatch.setattr(cls, "_learned", lambda *given: calls.append(1) or learn(*given))

    def learned(seed, mass, source_seed=7, kept=tmp_path, **changes):
        target = WorldSpec(POLE, shift={"pole_mass": f"= {mass}"}).make
        problem = Problem(
            teacher,
            teacher.algorithm,
            target,
            seed,
            640,
            make_source=source,
            source_seed=source_seed,
            kept=kept,
        )
        learner = resolve_method({name: {**settings, **changes}}).start(problem)
        learner.close()
        statistics = normalizer_arrays(learner.normalizer)
        tensors = {key: it for key, it in learner.tensors().items() if key.startswith(part)}
        assert tensors
        return tensors, statistics, learner.source_steps, learner.decisions[0]["decision"]

    def same(one, other):
        assert one[2:] == other[2:]
        assert all(np.array_equal(array, other[1][key]) for key, array in one[1].items())
        return all(torch.equal(tensor, other[0][key]) for key, tensor in one[0].items())

    first = learned(3, 0.3)
    assert same(learned(4, 0.2), first)
    assert len(calls) == 1
    assert first[2] == 2048
    # Kept or not, it is the same; the seed of the source, its settings, and damage are seen.
    assert same(learned(5, 0.2, kept=None), first)
    assert len(calls) == 2
    assert not torch.equal(learned(3, 0.3, source_seed=8)[0][seeded], first[0][seeded])
    assert learned(3, 0.3, source_steps=3072)[2] == 3072
    assert len(calls) == 4
    [file, *_] = sorted(tmp_path.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert same(learned(3, 0.3), first)
    assert len(calls) == 5
    assert file.read_bytes() == whole

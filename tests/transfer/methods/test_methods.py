import gymnasium as gym
import numpy as np
import pytest
import torch
from headstart.agents.algorithms import resolve_algorithm
from headstart.agents.bundles import bundle
from headstart.agents.bundles.bundle import BundleError, _moments
from headstart.agents.learner import create
from headstart.agents.policies.layers import actor_names, names_in
from headstart.core.errors import HeadstartError
from headstart.transfer.methods import METHODS, Problem, resolve_method

ALGORITHMS = ["ppo", "sac"]
# Students learn in source worlds before the target, which takes long: they have tests of their own.
STUDENTS = ("adapt", "distill")
ORDINARY = {name: cls for name, cls in METHODS.items() if name not in STUDENTS}
OFF_POLICY = {"batch_size": 16, "buffer_size": 300}
OBSERVATIONS = np.array([[1, 0, 0], [0, 1, 3], [-1, 0, -5], [0, -1, 0.5]], np.float32)


def snapshot(learner):
    return {name: tensor.clone() for name, tensor in learner.tensors().items()}


def changed(before, learner):
    """Names of the tensors that are no longer what they were."""
    now = learner.tensors()
    return {name for name, tensor in before.items() if not torch.equal(tensor, now[name])}


def optimized(learner):
    """Names of the parameters that are in some optimizer."""
    names = {id(tensor): name for name, tensor in learner.parameters().items()}
    return {
        names[id(tensor)]
        for optimizer in learner.optimizers().values()
        for group in optimizer.param_groups
        for tensor in group["params"]
    }


# Every method


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "recurrent_ppo", "ppo with history"])
@pytest.mark.parametrize("name", ORDINARY)
def test_every_method_keeps_the_contract(start, run, evaluator, sources, name, algorithm):
    method = resolve_method(name)
    assert method.name == name
    learner = start(name, algorithm)
    assert learner.steps == 0
    assert np.isfinite(evaluator.evaluate(learner.acting()).returns).all()
    before = snapshot(learner)
    assert not changed(before, learner)
    if method.trains:
        curve = run(learner, 300)
        assert min(curve) == 0
        assert max(curve) == learner.steps >= 300
        assert changed(before, learner)
    else:
        with pytest.raises(RuntimeError):
            run(learner, 300)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ORDINARY)
def test_every_method_starts_the_same_again(start, name, algorithm):
    first, second = start(name, algorithm), start(name, algorithm)
    assert not changed(snapshot(first), second)


@pytest.mark.parametrize("name", [name for name, cls in ORDINARY.items() if cls.needs_source])
def test_a_method_that_needs_a_source_says_so(problem, name):
    without = problem("ppo", bundle=None)
    with pytest.raises(HeadstartError, match="needs a source bundle"):
        resolve_method(name).start(without)


@pytest.mark.parametrize("name", [name for name, cls in ORDINARY.items() if cls.needs_source])
def test_a_target_of_other_spaces_is_refused(start, name):
    with pytest.raises(BundleError, match=r"observation space: shape \(3,\) .* \(2,\) here"):
        start(name, "ppo", make_world=lambda: gym.make("MountainCarContinuous-v0"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["zero_shot", "fine_tune"])
def test_starts_with_the_actions_of_the_source(start, sources, name, algorithm):
    expected = sources[algorithm].policy().act(OBSERVATIONS)
    assert np.array_equal(start(name, algorithm).act(OBSERVATIONS), expected)
    assert not np.array_equal(start("scratch", algorithm).act(OBSERVATIONS), expected)


# naive


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_naive_keeps_weights_and_optimizer_and_nothing_else(start, sources, algorithm):
    learner = start("naive", algorithm)
    for name, tensor in sources[algorithm].weights().items():
        assert torch.equal(learner.tensors()[name], tensor)
    moments = _moments(learner)
    assert moments
    saved = sources[algorithm]._tensors("optimizer.safetensors")
    assert all(torch.equal(moments[name], value) for name, value in saved.items())
    assert learner.normalizer.obs_rms.count < 1
    assert learner.normalizer.obs_rms.mean.tolist() == [0, 0, 0]
    assert learner.algorithm == sources[algorithm].algorithm
    assert learner.steps == 0


def test_naive_sac_begins_with_random_actions_and_an_empty_buffer(start, run, random_actions):
    learner = start("naive", "sac")
    assert learner.model.replay_buffer.size() == 0
    run(learner, 100)
    assert random_actions.count == 40  # learning_starts


# fine_tune


def test_fine_tune_sac_takes_no_random_action(start, run, random_actions):
    run(start({"fine_tune": {"preset": "careful"}}, "sac"), 100)
    assert random_actions.count == 0


def test_fine_tune_sac_fills_the_buffer_with_the_source_policy(start, run, sources, monkeypatch):
    learner = start({"fine_tune": {"preset": "careful", "fill_steps": 60}}, "sac")
    weights = {}
    run(learner, 640, watch=lambda step: weights.setdefault(step, snapshot(learner)))
    before = weights[0]
    assert learner.model.replay_buffer.size() == 300
    unchanged = [s for s, w in weights.items() if all(torch.equal(before[n], w[n]) for n in w)]
    assert max(unchanged) == 60  # no update at all until then
    assert weights[0].keys() == sources["sac"].weights().keys()


@pytest.mark.parametrize(
    ("algorithm", "settings", "critic_from", "critic_until"),
    [
        # The budget is 640, of which a phase may take a tenth.
        ("ppo", {"critic_steps": 50}, 0, 128),
        ("sac", {"fill_steps": 30, "critic_steps": 50}, 30, 80),
        ("sac", {}, 64, 128),
    ],
)
def test_fine_tune_trains_the_critic_first(
    start, run, algorithm, settings, critic_from, critic_until
):
    learner = start({"fine_tune": {"preset": "careful", **settings}}, algorithm)
    actor = actor_names(learner.model.policy)
    if algorithm == "sac":
        actor |= {"log_ent_coef"}
    history = {}
    run(learner, 400, watch=lambda step: history.setdefault(step, snapshot(learner)))
    first = history[0]
    assert actor <= first.keys()
    critic = {name for name in first if name not in actor and "target" not in name}

    def differing(step):
        return {n for n, tensor in history[step].items() if not torch.equal(tensor, first[n])}

    steps = sorted(history)
    # What is learned from the rollout that begins in the phase is the critic's alone.
    last_alone = max(step for step in steps if step < critic_until + learner.algorithm.rollout)
    assert not differing(last_alone) & actor
    assert differing(last_alone) >= critic
    assert differing(steps[-1]) >= actor
    filled = [step for step in steps if step <= critic_from]
    assert not differing(max(filled))
    assert not learner.frozen


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("carried", 250), ("frozen", 250), ("capped", 100)],
)
def test_normalizer_modes(start, run, sources, monkeypatch, setting, expected):
    monkeypatch.setattr("headstart.transfer.methods.parts.normalizer.COUNT_CAP", 100)
    learner = start({"fine_tune": {"preset": "careful", "normalizer": setting}}, "ppo")
    statistics = learner.normalizer.obs_rms
    source = sources["ppo"].policy().normalizer.obs_rms
    assert np.array_equal(statistics.mean, source.mean)
    assert np.array_equal(statistics.var, source.var)
    assert statistics.count == pytest.approx(expected, rel=0.1)
    assert learner.normalizer.ret_rms.count == pytest.approx(expected, rel=0.1)
    run(learner, 128)
    now = learner.normalizer.obs_rms
    if setting == "frozen":
        assert now.count == source.count
        assert np.array_equal(now.mean, source.mean)
    else:
        assert now.count == pytest.approx(expected + 128, rel=0.1)
        assert not np.array_equal(now.mean, source.mean)


def test_capping_lets_statistics_follow_the_target(start):
    """Statistics of 2e5 samples at 0, then 2e4 samples at 1: methods.md's measurement."""
    moved = {}
    for mode in ("carried", "capped"):
        learner = start({"fine_tune": {"preset": "careful", "normalizer": mode}}, "ppo")
        source = learner.normalizer.obs_rms
        source.mean, source.count = np.zeros(3), min(2e5, 1e4 if mode == "capped" else 2e5)
        for _ in range(200):
            source.update(np.ones((100, 3)))
        moved[mode] = source.mean[0]
    assert moved["carried"] == pytest.approx(2e4 / 2.2e5)
    assert moved["capped"] == pytest.approx(2 / 3)


def test_log_std_has_a_floor(start, run, sources):
    gsde = "ppo with gSDE"
    for source, floor, expected in (("ppo", -1.0, -1.0), ("ppo", None, -3.0), (gsde, -1.0, -3.0)):
        learner = start(
            {"fine_tune": {"preset": "careful", "min_log_std": floor, "critic_steps": 1000}},
            source,
            6400,
        )
        log_std = learner.parameters()["log_std"]
        with torch.no_grad():
            log_std.fill_(-3.0)
        run(learner, 256)  # all of it within the critic's phase
        assert (log_std == expected).all()


def test_fine_tune_learning_rates(start, run, sources):
    ppo = start({"fine_tune": {"preset": "careful", "learning_rate_factor": 0.1}}, "ppo")
    assert ppo.algorithm.settings["learning_rate"] == pytest.approx(1e-4)
    assert ppo.algorithm.settings["target_kl"] == 0.02
    assert ppo.model.target_kl == 0.02
    run(ppo, 256)
    assert {g["lr"] for o in ppo.optimizers().values() for g in o.param_groups} == {1e-3 * 0.1}

    sac = start(
        {
            "fine_tune": {
                "preset": "careful",
                "actor_learning_rate": 2e-5,
                "critic_learning_rate": 5e-4,
            }
        },
        "sac",
    )
    used = {name: set() for name in sac.optimizers()}
    for name, optimizer in sac.optimizers().items():
        optimizer.register_step_post_hook(
            lambda o, *_, name=name: used[name].update(g["lr"] for g in o.param_groups)
        )
    run(sac, 200)
    assert used == {
        "actor.optimizer": {2e-5},
        "critic.optimizer": {5e-4},
        "ent_coef_optimizer": {2e-5},
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_fine_tune_resets(start, sources, algorithm):
    kept = start({"fine_tune": {"preset": "careful"}}, algorithm)
    assert not changed(sources[algorithm].weights(), kept)
    moments = _moments(kept)
    assert moments

    settings = {"preset": "careful", "critic": "reset"} | (
        {"entropy": "reset"} if algorithm == "sac" else {}
    )
    reset = start({"fine_tune": settings}, algorithm)
    scratch = start("scratch", algorithm)
    actor = actor_names(reset.model.policy)
    critic = reset.tensors().keys() - actor
    assert not changed({n: t for n, t in snapshot(scratch).items() if n in critic}, reset)
    assert not changed({n: t for n, t in snapshot(kept).items() if n in actor}, reset)
    left = {name.split("/")[1] for name in _moments(reset)}
    assert left == {name.split("/")[1] for name in moments} & actor

    assert not _moments(
        start({"fine_tune": {"preset": "careful", "optimizer": "reset"}}, algorithm)
    )


def test_settings_of_the_other_kind_of_algorithm_are_refused(start):
    with pytest.raises(HeadstartError, match="'fill_steps' does not apply to ppo"):
        start({"fine_tune": {"preset": "careful", "fill_steps": 10}}, "ppo")
    with pytest.raises(HeadstartError, match="'target_kl' does not apply to sac"):
        start({"fine_tune": {"preset": "careful", "target_kl": 0.5}}, "sac")


# feature_reuse


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_feature_reuse_copies_layers_under_fresh_heads(start, sources, algorithm):
    learner, scratch = start("feature_reuse", algorithm), start("scratch", algorithm)
    policy = learner.model.policy
    features = names_in(policy, ["features"])
    source = sources[algorithm].weights()
    assert not changed({name: source[name] for name in features}, learner)
    rest = {name: t for name, t in snapshot(scratch).items() if name not in features}
    assert not changed(rest, learner)
    assert changed({name: source[name] for name in rest}, learner)
    assert not _moments(learner)
    count = sources[algorithm].policy().normalizer.obs_rms.count
    assert learner.normalizer.obs_rms.count == count


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_frozen_layers_stay_bit_equal_and_in_no_optimizer(start, run, algorithm):
    learner = start("feature_reuse", algorithm)
    features = {n for n in names_in(learner.model.policy, ["features"]) if "target" not in n}
    before = snapshot(learner)
    run(learner, 256, watch=lambda step: None)
    assert features == learner.frozen
    assert not features & optimized(learner)
    assert not features & {name.split("/")[1] for name in _moments(learner)}
    moved = changed(before, learner)
    assert not features & moved
    heads = before.keys() - names_in(learner.model.policy, ["features"]) - {"ent_coef_tensor"}
    assert heads <= moved


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_layers_are_unfrozen_when_their_share_is_spent(start, run, algorithm):
    learner = start({"feature_reuse": {"unfreeze_at": 0.5}}, algorithm, steps=512)
    features = {n for n in names_in(learner.model.policy, ["features"]) if "target" not in n}
    history = {}
    run(learner, 512, watch=lambda step: history.setdefault(step, snapshot(learner)))

    def moved(step):
        return {n for n in features if not torch.equal(history[step][n], history[0][n])}

    # The update at the boundary 256 still belongs to a rollout begun before it.
    before = max(step for step in history if step <= 256)
    assert not moved(before)
    assert moved(max(history)) == features
    assert features <= optimized(learner)


def test_copied_layers_need_not_be_frozen(start, run):
    settings = {"copy": ["features", "policy_head"], "freeze": ["mlp_extractor.policy_net.0.*"]}
    learner = start({"feature_reuse": settings}, "ppo")
    before = snapshot(learner)
    run(learner, 128)
    frozen = {"mlp_extractor.policy_net.0.weight", "mlp_extractor.policy_net.0.bias"}
    assert changed(before, learner) == before.keys() - frozen


def test_freezing_everything_is_refused(start):
    with pytest.raises(HeadstartError, match=r"leaves critic\.optimizer nothing to train"):
        start({"feature_reuse": {"freeze": ["features", "critic_head"]}}, "sac")


def test_layers_that_do_not_exist_are_refused(start):
    with pytest.raises(HeadstartError, match=r"layers 'featurs'.*did you mean 'features'"):
        start({"feature_reuse": {"copy": ["featurs"]}}, "ppo")


# Going on after an interruption


SMALL_SAC = {"sac": {**OFF_POLICY, "train_freq": 4, "policy_kwargs": {"net_arch": [16]}}}
# Every method that trains, and settings with a state or a phase of their own. Interrupted at 384
# with the last checkpoint at 256 or before: in every phase's middle.
INTERRUPTED = [
    *((name, kind) for name, cls in ORDINARY.items() if cls.trains for kind in ALGORITHMS),
    *(({"fine_tune": {"preset": "careful", "critic_steps": 300}}, kind) for kind in ALGORITHMS),
    ({"fine_tune": {"preset": "restart", "l2_init": 0.1, "adam_betas": [0.99, 0.99]}}, "ppo"),
    ({"feature_reuse": {"unfreeze_at": 0.45}}, "sac"),
    (
        {
            "fine_tune": {
                "preset": "careful",
                "kl_anchor": 0.3,
                "kl_half_life": 200,
                "dropout": 0.2,
                "layer_rates": {"features": 0.5},
                "unfreeze": ["policy_head", "features"],
                "unfreeze_until": 0.5,
            }
        },
        "ppo",
    ),
    ({"fine_tune": {"preset": "sim_to_online", "source_replay": 80, "kl_anchor": 1.0}}, "sac"),
    (
        {
            "fine_tune": {
                "preset": "sim_to_online",
                "algorithm": SMALL_SAC,
                "source_replay": 80,
                "critic_pretrain": 5,
            }
        },
        "ppo",
    ),
]


@pytest.mark.parametrize(("spec", "algorithm"), INTERRUPTED)
def test_interrupted_equals_uninterrupted(start, run, tmp_path, monkeypatch, spec, algorithm):
    monkeypatch.setattr("headstart.transfer.methods.fine_tune.PHASE_SHARE", 0.4)
    monkeypatch.setattr("headstart.transfer.methods.parts.crossing.DISTILLING_UPDATES", 10)

    def trial(learner, directory, **options):
        def save(step):
            bundle.save(learner, directory, world_id="Pendulum-v1", replay_buffer=True)

        return run(learner, 640, checkpoint_every=200, save_checkpoint=save, **options)

    whole = start(spec, algorithm)
    expected = trial(whole, tmp_path / "whole")
    stopped = trial(start(spec, algorithm), tmp_path / "part", stop_at=384)
    continued = start(spec, algorithm)
    checkpoint = bundle.load(tmp_path / "part")
    checkpoint.restore(continued)
    assert trial(continued, tmp_path / "part", recorded=stopped) == expected
    assert not changed(snapshot(whole), continued)
    assert continued.decisions == whole.decisions
    assert continued.states() == whole.states()
    assert np.array_equal(whole.normalizer.obs_rms.mean, continued.normalizer.obs_rms.mean)


# Resolving


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fine_tun", "unknown method 'fine_tun'; did you mean 'fine_tune'?"),
        ({"fine_tune": {"normaliser": "frozen"}}, "unknown setting 'normaliser' of method"),
        ({"fine_tune": {"normalizer": "cold"}}, "normalizer = 'cold': input should be 'carried'"),
        ({"fine_tune": {"critic_steps": -1}}, "critic_steps = -1"),
        ({"fine_tune": {"target_kl": "low"}}, "target_kl = 'low'"),
        ({"feature_reuse": {"copy": "features"}}, "copy = 'features'"),
        ({"feature_reuse": {"unfreeze_at": 2}}, "unfreeze_at = 2"),
        ({"scratch": {"steps": 1}}, "unknown setting 'steps' of method scratch"),
        ({"scratch": {}, "naive": {}}, "expected a name such as 'fine_tune'"),
        ("no_such_package:Mine", "cannot import 'no_such_package'"),
        ("subprocess:Popen", "'subprocess:Popen' is no transfer method: it has no 'name'"),
    ],
)
def test_mistakes_are_one_clear_line(spec, message):
    with pytest.raises(HeadstartError) as caught:
        resolve_method(spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


OWN = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Half:
    name: ClassVar[str] = "half"
    trains: ClassVar[bool] = True
    needs_source: ClassVar[bool] = True
    scale: float = 0.5

    def start(self, problem):
        learner = problem.create(problem.source.algorithm)
        problem.source.restore_weights(learner)
        for parameter in learner.model.policy.parameters():
            parameter.data.mul_(self.scale)
        return learner

class Plain:
    name, trains, needs_source = "plain", False, False

    def __init__(self, size=1):
        self.size = size

    def start(self, problem):
        return problem.create(problem.algorithm)
"""


def test_a_method_of_ones_own(tmp_path, monkeypatch, start, run, sources):
    (tmp_path / "my_methods.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    learner = start({"my_methods:Half": {"scale": 0.25}}, "ppo")
    name = "value_net.weight"
    assert torch.equal(learner.tensors()[name], sources["ppo"].weights()[name] * 0.25)
    assert max(run(learner, 128)) == 128
    assert resolve_method({"my_methods:Plain": {"size": 3}}).size == 3
    with pytest.raises(HeadstartError, match="unknown setting 'scal' of method my_methods:Half"):
        resolve_method({"my_methods:Half": {"scal": 1}})
    with pytest.raises(HeadstartError, match="unexpected keyword argument 'sice'"):
        resolve_method({"my_methods:Plain": {"sice": 3}})
    with pytest.raises(HeadstartError, match="has no 'Hal'; did you mean 'Half'"):
        resolve_method("my_methods:Hal")


def test_an_algorithm_without_an_actor_cannot_be_fine_tuned(tmp_path):
    def make_world():
        return gym.make("CartPole-v1", disable_env_checker=True)

    algorithm = resolve_algorithm("stable_baselines3:DQN", "CartPole-v1")
    learner = create(algorithm, make_world, 0)
    bundle.save(learner, tmp_path / "dqn", world_id="CartPole-v1")
    source = bundle.load(tmp_path / "dqn")
    with pytest.raises(HeadstartError, match="no critic apart from its actor"):
        resolve_method("fine_tune").start(Problem(source, algorithm, make_world, 0, 100))

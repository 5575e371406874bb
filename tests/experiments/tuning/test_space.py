"""What is searched of a method: every method's ranges, and how one's own are read."""

import optuna
import pytest
from headstart.agents.algorithms import resolve_algorithm
from headstart.core.errors import HeadstartError
from headstart.experiments.tuning.space import read, space
from headstart.transfer.methods import METHODS

PPO = resolve_algorithm("ppo", "Pendulum-v1")
SAC = resolve_algorithm("sac", "Pendulum-v1")
SEES = {"policy_sees": {"parameters": ["mass"], "latent": 1}}
TEACHER = resolve_algorithm({"ppo": SEES}, "Pendulum-v1")


@pytest.mark.parametrize("algorithm", [PPO, SAC], ids=["ppo", "sac"])
@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if hasattr(cls, "search")])
def test_every_method_begins_inside_its_ranges(name, algorithm):
    found = space(name, {}, TEACHER if name == "adapt" else algorithm, {})
    assert len(found.ranges) >= 3
    assert all(one.parameter() is not None for one in found.ranges)


def ranges(name, algorithm=PPO, base=None, **own):
    return {one.name: one for one in space(name, base or {}, algorithm, own).ranges}


def test_a_range_is_a_change_of_the_default():
    rate = ranges("scratch")["algorithm.learning_rate"]
    # "* loguniform(0.2, 5)" of the preset's 1e-3
    assert rate.distribution() == optuna.distributions.FloatDistribution(2e-4, 5e-3, log=True)
    assert rate.default == rate.parameter() == 1e-3
    own = {"algorithm.gae_lambda": "+ uniform(-0.1, 0.04)"}
    raised = {one.name: one for one in space("scratch", {}, PPO, own).ranges}
    lam = raised["algorithm.gae_lambda"]
    assert (lam.low, lam.high) == (pytest.approx(0.85), pytest.approx(0.99))
    # An integer setting is drawn as one, with its ends inside the range.
    steps = ranges("fine_tune", critic_steps="= uniform(0.5, 7.9)")["critic_steps"]
    assert steps.distribution() == optuna.distributions.IntDistribution(1, 7)
    assert steps.parameter() is None, "the default of 0 lies outside"


def test_settings_of_the_other_kind_of_algorithm_are_not_searched():
    both = {"normalizer", "critic_steps", "policy_head"}
    limits = {"target_kl", "min_log_std"}
    assert set(ranges("fine_tune")) == both | {"learning_rate_factor"}
    careful = {"preset": "careful"}
    assert set(ranges("fine_tune", base=careful)) == both | {"learning_rate_factor"} | limits
    assert set(ranges("fine_tune", SAC)) == both | {
        "actor_learning_rate",
        "critic_learning_rate",
        "fill_steps",
    }
    assert "min_log_std" not in ranges("fine_tune", PPO.replace(use_sde=True), careful)
    a2c = resolve_algorithm("stable_baselines3:A2C", "Pendulum-v1")
    assert "target_kl" not in ranges("fine_tune", a2c, careful)
    assert "algorithm.clip_range" not in ranges("scratch", a2c)


def test_what_is_stated_stays_unless_it_is_named():
    base = {"critic_steps": 0, "target_kl": None}
    assert not {"critic_steps", "target_kl"} & set(ranges("fine_tune", base=base))
    found = space("fine_tune", base, PPO, {"target_kl": "= choice(null, 0.02)"})
    assert found.texts["target_kl"] == "= choice(null, 0.02)"
    assert found.defaults()["target_kl"] is None
    assert found.settings({"target_kl": 0.02}) == {"critic_steps": 0, "target_kl": 0.02}
    assert base["target_kl"] is None
    scratch = ranges("scratch", base={"algorithm": {"n_epochs": 4}})
    assert "algorithm.n_epochs" not in scratch
    assert "algorithm.ent_coef" in scratch


def test_drawn_values_are_written_down_whole():
    own = {
        "copy": "= choice([features], [features, policy_head])",
        "unfreeze_at": "= uniform(0.1, 0.2)",
    }
    found = space("feature_reuse", {}, PPO, own)
    fixed = {"copy": "[features, policy_head]", "unfreeze_at": 0.123456, "normalizer": "frozen"}
    drawn = found.suggest(optuna.trial.FixedTrial(fixed))
    assert drawn == {
        "copy": ["features", "policy_head"],
        "unfreeze_at": 0.1235,
        "normalizer": "frozen",
    }
    nested = space("scratch", {"algorithm": {"n_epochs": 4}}, PPO, {})
    settings = nested.settings({"algorithm.learning_rate": 2e-3})
    assert settings == {"algorithm": {"n_epochs": 4, "learning_rate": 2e-3}}
    deep = {"algorithm.policy_kwargs.log_std_init": "= uniform(-2, 0)"}
    assert space("scratch", {}, PPO, deep).settings(
        {"algorithm.policy_kwargs.log_std_init": -1}
    ) == {"algorithm": {"policy_kwargs": {"log_std_init": -1}}}


def test_ranges_are_read():
    read_ = read(["a.b= uniform(0, 1)", "c * loguniform(0.1, 2)", "d = choice(x, [y, z])"])
    assert read_ == {
        "a.b": "= uniform(0, 1)",
        "c": "* loguniform(0.1, 2)",
        "d": "= choice(x, [y, z])",
    }
    with pytest.raises(HeadstartError, match="'a' stands twice"):
        read(["a = uniform(0, 1)", "a = uniform(0, 2)"])
    with pytest.raises(HeadstartError, match="expected a setting and its range"):
        read(["a uniform(0, 1)"])


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        ("fine_tune", "critic_step = uniform(0, 9)", "did you mean 'critic_steps'"),
        ("fine_tune", "fill_steps = uniform(0, 9)", "'fill_steps' does not apply to ppo"),
        ("fine_tune", "critic_steps = unifrm(0, 9)", "did you mean 'uniform'"),
        ("fine_tune", "critic_steps = uniform(0.2, 0.8)", "nothing between its ends"),
        ("fine_tune", "critic_steps = loguniform(0.5, 9)", None),
        ("fine_tune", "critic_steps = 5", "not a fixed value; what is to stay fixed"),
        ("fine_tune", "critic_steps = normal(5, 1)", "not 'normal'"),
        ("fine_tune", "critic_steps * choice(1, 2)", "states the values themselves"),
        ("fine_tune", "learning_rate_factor = uniform(-1, 1)", "= -1: input should be greater"),
        (
            "fine_tune",
            "critic = choice(kept, rest)",
            "'rest': input should be 'kept', 'head' or 'reset'",
        ),
        ("fine_tune", "critic = choice(kept, kept)", "a choice stands twice"),
        ("fine_tune", "critic = choice()", "at least one value"),
        ("fine_tune", "critic = choice([)", "cannot read the choices"),
        ("fine_tune", "normalizer * uniform(0, 1)", "its default is capped, no number"),
        ("fine_tune", "learning_rate_factor + loguniform(1, 2)", "loguniform goes with"),
        ("scratch", "algorithm.ent_coef * uniform(0, 1)", "its default is 0, which nothing scales"),
        ("scratch", "algorithm.learning_rat * uniform(1, 2)", "did you mean 'learning_rate'"),
        ("scratch", "algorithm.n_steps = choice(64, 32)", "a rollout of 512 steps in place of"),
        ("naive", "x = uniform(0, 1)", "unknown setting 'x' of method naive; there are none"),
    ],
)
def test_a_range_that_cannot_be_is_said(method, text, said):
    if said is None:
        # Of integers, the range begins at the first inside it.
        (name, change), *_ = read([text]).items()
        assert ranges(method, **{name: change})[name].low == 1
        return
    with pytest.raises(HeadstartError) as error:
        space(method, {}, PPO, read([text]))
    assert said in str(error.value)
    assert str(error.value).startswith(f"--search '{text.split()[0]} ")


def test_a_method_with_nothing_to_search_is_said():
    for name in ("zero_shot", "naive"):
        with pytest.raises(HeadstartError, match="nothing to search: it has no settings that"):
            space(name, {}, PPO, {})
    stated = {name: one.default for name, one in ranges("feature_reuse").items()}
    with pytest.raises(HeadstartError, match="stated in the experiment; name a setting"):
        space("feature_reuse", stated, PPO, {})

"""What is said in words: which method a headline names, and what an interval says."""

from headstart.experiments.measuring.verdict import ends, headline, signed_entry


def test_a_claimed_head_start_is_not_hidden_by_a_larger_area_that_says_nothing():
    def method(area, word, n=5):
        gain = {"estimate": area, "low": area - 0.1, "high": area + 0.1, "side": "above", "n": n}
        gain |= {"p_holm": 0.01}
        time = {"threshold": 0.8, "median": 2_000.0, "reached": 5, "n": 5}
        verdict = {"claim": True, "word": word, "basis": "5 seeds", "warning": ""}
        gains = {"jump_start": gain, "asymptotic": gain, "area": gain}
        return {"gains": gains, "verdict": verdict, "time_to_threshold": time}

    scratch = method(0.0, "baseline") | {"gains": None}
    scratch["time_to_threshold"] |= {"median": None, "reached": 2}
    noisy, tight = method(0.9, "no clear difference"), method(0.4, "head start")
    said = headline("icy", {"scratch": scratch, "zero_shot": noisy, "fine_tune": tight})
    assert said.startswith("On icy, fine_tune gives a head start: ")
    # 0.7^5 is 0.168; of ten seeds or more nothing is added.
    assert said.endswith(
        " If it failed on 30% of seeds, 5 seeds would show none of that in 17% of experiments."
    )
    many = headline("icy", {"scratch": scratch, "fine_tune": method(0.4, "head start", 10)})
    assert many.endswith(
        "it reaches 0.8 on 5 of 5 seeds (median 2,000 target steps), scratch on 2 of 5 seeds."
    )
    # What is ahead in part and wholly below in part gives none.
    mixed = method(-0.3, "mixed")
    said = headline("icy", {"scratch": scratch, "fine_tune": mixed})
    assert said.startswith(
        "On icy no method is ahead of scratch over the whole budget; fine_tune comes closest: "
    )
    assert said.endswith("The verdict: mixed.")
    said = headline("icy", {"scratch": scratch, "mixed": method(0.5, "mixed"), "tight": tight})
    assert said.startswith("On icy, tight gives a head start: ")
    said = headline("icy", {"scratch": scratch, "zero_shot": noisy})
    assert said.startswith("On icy, zero_shot is the furthest ahead: ")


def test_a_claim_that_rests_on_the_end_alone_tells_the_end():
    def gain(estimate, side, p):
        ends = {"low": estimate - 0.1, "high": estimate + 0.1}
        return ends | {"estimate": estimate, "side": side, "p_holm": p, "n": 10}

    time = {"threshold": 0.8, "median": 2_000.0, "reached": 10, "n": 10}
    gains = {"jump_start": gain(0.0, "unclear", 1.0), "area": gain(0.05, "unclear", 0.4)}
    gains["asymptotic"] = gain(0.3, "above", 0.01) | {"converged": False}
    gains["early"] = gain(0.2, "above", None)
    verdict = {"claim": True, "word": "head start", "basis": "10 seeds", "warning": ""}
    ahead = {"gains": gains, "verdict": verdict, "time_to_threshold": time}
    methods = {"scratch": {"gains": None, "time_to_threshold": time}, "fine_tune": ahead}
    assert (
        "by +0.00 [-0.10, +0.10] at step 0, by +0.05 [-0.05, +0.15] over the whole budget and by "
        "+0.30 [+0.20, +0.40] at the end (not converged); it reaches"
    ) in headline("icy", methods)
    # An area that holds as well is enough.
    gains["area"] = gain(0.2, "above", 0.02)
    assert "+0.20 [+0.10, +0.30] over the whole budget; it reaches" in headline("icy", methods)


def test_an_interval_of_no_width_is_none():
    entry = {"low": 0.25, "high": 0.5}
    assert ends(entry, ".2f") == "[0.25, 0.50]"
    assert ends(entry, "+.1f") == "[+0.2, +0.5]"
    assert ends(entry | {"high": 0.25}, ".2f") == "all equal"
    assert ends(entry | {"low": None}, ".2f") == "no interval"


def test_a_range_is_told_from_an_interval():
    entry = {"estimate": 0.3, "low": 0.25, "high": 0.5, "kind": "range"}
    assert ends(entry, ".2f") == "(0.25 to 0.50)"
    assert ends(entry, lambda value: f"{100 * value:.0f} %") == "(25 % to 50 %)"
    assert signed_entry(entry) == "+0.30 (+0.25 to +0.50)"
    assert signed_entry(entry | {"kind": "t"}) == "+0.30 [+0.25, +0.50]"
    assert signed_entry(entry | {"low": None}) == "+0.30 [no interval]"

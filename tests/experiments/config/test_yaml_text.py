"""What a hostile YAML text may unfold to is bounded, and named in one line."""

import json
import random
import resource
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from headstart.experiments.config.yaml_text import ConfigError, parse_all, parse_yaml

ROOT = Path(__file__).parents[3]


def laughs(form, times=9):
    """Nine lists of nine aliases each: a billion values in a few hundred characters."""
    lines = ["a0: &a0 {k: 1}"]
    for i in range(1, times + 1):
        lines.append(f"a{i}: &a{i} " + form.format(", ".join([f"*a{i - 1}"] * 9)))
    return "\n".join(lines)


CHAIN = "\n".join(["- &a0 [1]", *(f"- &a{i} [*a{i - 1}]" for i in range(1, 99))])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (laughs("[{}]"), "there:5: aliases stand for more than 10,000 values"),
        (laughs("{{<<: [{}]}}"), "there:5: aliases stand for more than 10,000 values"),
        (CHAIN, "there:41: more than 40 lists or mappings inside each other"),
        ("a: &a {b: *a}", "there:1: an alias stands inside of what it stands for"),
        ("[" * 500, "there:1: more than 40 lists or mappings inside each other"),
        ("- " * 50_000, "there:1: more than 40 lists or mappings inside each other"),
        ("x: [" + "1," * 300_000 + "]", "there: a file of 600,005 characters, at most 524,288"),
        ("x: '" + "a" * 20_001 + "'", "there:1: a text of 20,001 characters, at most 20,000"),
        ("x: " + "9" * 400, "there:1: a number of 400 digits"),
        ("x: 9223372036854775808", "there:1: 9223372036854775808 is larger than 9,223,372,036"),
        ("x: 1e999", "there:1: 1e999 is too large for a number"),
        ("%YAML 1.1\n---\nx: 190:20:30", "there:3: '190:20:30' is a number to the base 60"),
        ("a: 1\nx: 2024-02-30", "there:2: '2024-02-30' is no date (day is out of range"),
        ("x: !!timestamp foo", "there:1: 'foo' is no date: quote it"),
        ("x: !!set {a}", "there:1: the tag !!set is not read"),
        ("x: !!binary aGk=", "there:1: the tag !!binary is not read"),
        ("x: !!python/object:os.system ls", "the tag !!python/object:os.system is not read"),
        ("x: !mine 3", "there:1: the tag !mine is not read"),
        ("x: !!int foo", "there:1: 'foo' is no whole number"),
        ("x: !!int ''", "there:1: '' is no whole number"),
        ("x: !!float foo", "there:1: 'foo' is no number"),
        ("x: !!bool foo", "there:1: 'foo' is neither true nor false"),
        ('x: "\\ud800"', "there:1: '\\ud800' holds half of a surrogate pair"),
        ("x: \x1b[2J", "there: unacceptable character #x001b"),
        ("a: *b", "found undefined alias 'b' (a change that starts with '*' needs quotes"),
    ],
)
def test_what_is_too_much_is_named(text, said):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "there")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_just_not_too_much_is_read():
    deep = parse_yaml("[" * 40 + "]" * 40, "")
    for _ in range(39):
        (deep,) = deep
    assert deep == []
    assert parse_yaml("x: [9223372036854775807, -9223372036854775807, 1.7e308, -.inf]", "") == {
        "x": [2**63 - 1, 1 - 2**63, 1.7e308, -float("inf")]
    }
    # 1 + 9 + 9 * 9 + 9 * 9 * 9 mappings of one key and value, and the lists and keys around them.
    assert len(parse_yaml(laughs("[{}]", 3), "")["a3"]) == 9


PARTS = [
    "a: ", "- ", "? ", ": ", "[", "]", "{", "}", ", ", "&x ", "*x", "*y", "<<: ", "!!set ",
    "!!int ",
    "!!python/name:os.system ", "!<tag:x> ", "|\n", ">\n", "'", '"', "\\u", "\\ud83d", "\\x1b",
    "# c", "\n", "\n  ", "\n---\n", "...\n", "%YAML 1.1\n", "%TAG ! x\n", "2024-13-45", "190:20:30",
    "9" * 400, "1e999", ".inf", ".nan", "0x" + "f" * 99, "~", "yes", "=", "\t", "\x85", "\u2028",
    "name: ", "source: ", "seeds: ", "methods: ", "steps: ", "null", "true", "é", "@",
    "`", "x" * 99,
]  # fmt: skip
FRAME = """name: a
source: {world: Pendulum-v1, steps: 1_000}
targets: {t: {steps: 1_000}}
evaluation: {every: 100}
"""


def hostile(number):
    """Return the hostile YAML text of a number."""
    rng = random.Random(number)
    kind = number % 6
    if kind == 0:
        return laughs(rng.choice(["[{}]", "{{<<: [{}]}}", "{{x: [{}]}}"]), rng.choice([3, 9, 50]))
    if kind == 1:
        return rng.choice(["[", "- ", "{a: ", "? ", "&a [", "!!seq [", "'", "|", "*", "&", "%"]) * (
            rng.choice([50, 2_000, 100_000])
        )
    if kind == 2:
        values = ",".join(
            str(rng.choice([i, "*a", "'x'"])) for i in range(rng.choice([99, 30_000]))
        )
        return f"{FRAME}x: &a 1\nseeds: [{values}]"
    if kind == 3:
        lines = FRAME.splitlines()
        at = rng.randrange(len(lines))
        lines[at] = lines[at].split(": ")[0] + ": " + "".join(rng.choices(PARTS, k=3))
        return "\n".join(lines)
    if kind == 4:
        place = rng.randrange(len(FRAME))
        return FRAME[:place] + "".join(rng.choices(PARTS, k=2)) + FRAME[place:]
    return "".join(rng.choices(PARTS, k=rng.choice([5, 50, 500])))


CHILD = """
import json, sys, time
from headstart.core.errors import LONGEST_LINE, HeadstartError, printable
from headstart.experiments.config.schema import build
from headstart.experiments.config.yaml_text import parse_all
from tests.experiments.config.test_yaml_text import FRAME, hostile
from pathlib import Path

build(parse_all(FRAME, "what libraries import late")[0])
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    text, modules = hostile(number), set(sys.modules)
    Path("/proc/self/clear_refs").write_text("5")
    begun, said, outcome = time.monotonic(), "", "read"
    try:
        for data in parse_all(text, "file.yaml"):
            if isinstance(data, dict):
                build(data, "file.yaml")
    except HeadstartError as error:
        outcome, said = "refused", str(error)
        if len(said) > LONGEST_LINE or said != printable(said):
            outcome = "badly said"
    except BaseException as error:
        outcome, said = "internal error", f"{type(error).__name__}: {error}"[:300]
    status = Path("/proc/self/status").read_text()
    print(json.dumps({
        "number": number, "outcome": outcome, "said": said, "seconds": time.monotonic() - begun,
        "imported": sorted(set(sys.modules) - modules), "text": text[:80],
        "bytes": 1024 * int(status.partition("VmHWM:")[2].split()[0]),
    }))
"""


def attempts(first, last):
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (900, 900))

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(first), str(last)],
        cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, timeout=1500,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == last - first, done.stderr[-2000:]
    return lines


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_hostile_yaml(capsys):
    lines = attempts(0, 300)
    found = {
        "imported": [line for line in lines if line["imported"]],
        "internal errors": [line for line in lines if line["outcome"] == "internal error"],
        "badly said": [line for line in lines if line["outcome"] == "badly said"],
        "too slow": [line for line in lines if line["seconds"] > 10],
        "too large": [line for line in lines if line["bytes"] > 2**30],
    }
    with capsys.disabled():
        counts = {what: len(which) for what, which in found.items()}
        print(f"\n300 files: {dict(Counter(line['outcome'] for line in lines))}, {counts}")
        print(f"slowest {max(line['seconds'] for line in lines):.2f} s, "
              f"largest {max(line['bytes'] for line in lines) / 2**20:.0f} MiB")  # fmt: skip
    assert not any(found.values()), found


def test_the_first_hostile_yaml_files():
    refused = []
    for number in (0, 3, 4, 5, 9, 10):
        with suppress(ConfigError):
            parse_all(hostile(number), "there")
            continue
        refused.append(number)
    assert refused == [0, 5]

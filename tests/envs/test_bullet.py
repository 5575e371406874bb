"""Without PyBullet, all but headstart's own worlds works."""

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["pybullet"] = None  # as if it were not installed
import gymnasium, headstart
from headstart.experiments.cli.app import main

assert gymnasium.spec("headstart/Ant-v0")
try:
    headstart.envs.build("headstart/Ant-v0")
except headstart.HeadstartError as error:
    assert "pip install 'headstart[worlds]'" in str(error), error
for words in (["envs"], ["evaluate", "pretrained/nominal", "--world", "headstart/Ant-v0"]):
    try:
        main(words)
    except SystemExit as status:
        print(words[0], status.code)
"""


def test_headstart_without_pybullet():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "evaluate 2", done.stderr
    assert "envs 0" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("headstart: headstart's own worlds need PyBullet")
    assert len(line) < 300

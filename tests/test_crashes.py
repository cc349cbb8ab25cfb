"""Whatever stops a training, a kill or a full disk, every later run succeeds and ends with the same weights.

`RECSYS_KIT_CRASHES=20` tries 20 kills and half as many full disks instead of three of each.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = int(os.environ.get("RECSYS_KIT_CRASHES", "0"))
KILLS, FULL_DISKS = (COUNT, COUNT // 2) if COUNT else (3, 3)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the laboratory forks")
def test_after_a_kill_or_a_full_disk_a_later_run_ends_like_an_undisturbed_one(tmp_path):
    script = Path(__file__).with_name("crashes.py")
    command = [sys.executable, str(script), str(tmp_path), str(KILLS), str(FULL_DISKS), "0"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    surroundings = os.environ | {"PYTHONPATH": path}
    limit = 120 + 30 * COUNT
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=limit, env=surroundings)
    trials = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"what"')]
    print(done.stdout)
    assert len(trials) == KILLS + FULL_DISKS
    for trial in trials:
        assert (trial["later"], trial["found"]) == (0, trial["wanted"]), trial
        if trial["what"].startswith("killed"):
            assert trial["end"] == -signal.SIGKILL, trial  # a kill that comes too late tries nothing
        if trial["what"].startswith("full") and trial["end"]:  # an error that says which file, not a dead process
            assert trial["end"] == 1 and "[Errno" in trial["said"] and str(tmp_path) in trial["said"], trial

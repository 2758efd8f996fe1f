import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parent.parent / "benchmarks" / "fuzz.py"


def test_bad_input_is_answered_with_findings_in_their_places():
    done = subprocess.run([sys.executable, FUZZ, "--count", "1500"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

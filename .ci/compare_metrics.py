"""Fail unless metrics/evaluation.json and metrics/protocol.json are what the commit says, within a tolerance.

What is counted must be equal. The errors may differ: on one machine the training repeats bit for bit, but another
processor sums in another order, and training amplifies the last bit. With sums in other orders on one machine the
default's MPJPE of 48.7 mm came out at 48.2 and 49.3 mm (MKL_CBWR=AVX2 and COMPATIBLE), and 1.1 mm apart with the
compiled step and the plain layers. The tolerance is about twice the largest of these differences.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOLERANCE_MM = 2.0
PATHS = ("metrics/evaluation.json", "metrics/protocol.json")
COUNTED = ("data", "frames", "joints", "root_counted", "skeleton", "detections", "epoch", "epoch_chosen_by")


def main() -> int:
    committed: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for path in PATHS:
        shown = subprocess.run(["git", "show", f"HEAD:{path}"], capture_output=True, check=True).stdout
        committed |= json.loads(shown)
        measured |= json.loads(Path(path).read_text(encoding="utf-8"))
    changed = [key for key in COUNTED if committed[key] != measured[key]]
    wrong = [f"{key}: {committed[key]!r} is now {measured[key]!r}" for key in changed]
    for metric in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm"):
        for mean, before in committed[metric].items():
            after = measured[metric][mean]
            print(f"{metric}.{mean}: committed {before:.2f}, measured {after:.2f}, tolerance {TOLERANCE_MM:g}")
            if not abs(after - before) <= TOLERANCE_MM:
                wrong.append(f"{metric}.{mean}: {before:.2f} is now {after:.2f}")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

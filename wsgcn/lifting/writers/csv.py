"""CSV: a row a frame, empty cells where there is none; above the header the metadata as comments, `# name: JSON`.

`pandas.read_csv(path, comment="#")` reads it. Columns: frame, the picture's name where it is known, missing,
interpolated and substituted (names of joints, separated by semicolons), then x, y, z of each joint, such as RHip_x_m,
with intrinsics root_x_m, root_y_m, root_z_m, and the joint angles of `wsgcn.lifting.angles`, such as RKnee_flexion_deg.
No cell is a formula, see `wsgcn.base.cells`.
"""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np

from wsgcn.base.cells import text_cell
from wsgcn.base.files import atomic_path
from wsgcn.lifting.angles import ANGLES, CAMERA_UP, SIGNS, joint_angles_deg
from wsgcn.lifting.lifted import Lifted


def write(lifted: Lifted, path: Path) -> None:
    """Raises InputError: the file cannot be written."""
    joints = lifted.skeleton.joints
    columns = [f"{joint}_{axis}_m" for joint in joints for axis in "xyz"]
    values = lifted.pose_m.reshape(len(lifted), -1)
    if lifted.root_m is not None:
        columns += [f"root_{axis}_m" for axis in "xyz"]
        values = np.concatenate([values, lifted.root_m], axis=1)
    decimals = [6] * len(columns) + [2] * len(ANGLES)
    columns += [f"{name}_deg" for name in ANGLES]
    values = np.concatenate([values, joint_angles_deg(lifted.pose_m, lifted.skeleton, CAMERA_UP)], axis=1)
    joint_names = np.array(joints)
    names = [] if lifted.names is None else ["name"]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for name, value in (lifted.metadata | {"angles": SIGNS}).items():
            file.write(f"# {name}: {_one_cell(json.dumps(value))}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["frame", *names, "missing", "interpolated", "substituted", *columns])
        for row, numbers in enumerate(values.tolist()):
            writer.writerow(
                [
                    int(lifted.frames[row]),
                    *([] if lifted.names is None else [text_cell(lifted.names[row])]),
                    int(lifted.missing[row]),
                    ";".join(joint_names[lifted.interpolated[row]]),
                    ";".join(joint_names[lifted.substituted[row]]),
                    *(
                        "" if math.isnan(value) else f"{value:z.{n}f}"
                        for value, n in zip(numbers, decimals, strict=True)
                    ),
                ]
            )


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_START = re.compile(r"[,;](?=\s*[=+\-@＝＋－＠])")


def _one_cell(text: str) -> str:
    """JSON in whose strings no separator stands before what could be a formula; a comment is cells like any line."""
    return _STRING.sub(lambda string: _START.sub(lambda at: f"\\u{ord(at[0]):04x}", string[0]), text)

"""Human3.6M's files that are not its 3D in the world, by their names, and why they cannot serve."""

import re
from pathlib import Path

_CAMERA = (
    "positions in the axes of each camera, which do not say where the cameras stand; expected the world's, "
    "Poses_D3_Positions or MyPoseFeatures/D3_Positions"
)
_UNFIT = tuple(
    (re.compile(pattern), why)
    for pattern, why in (
        (r"D3_Positions_mono_universal", f"holds Human3.6M's 'mono universal' {_CAMERA}, and real sizes of bodies"),
        (r"D3_Positions_mono", f"holds Human3.6M's 'mono' {_CAMERA}"),
        (r"(^|/)annot\.h5$", f"is a preprocessed selection of Human3.6M's frames with {_CAMERA}"),
        (
            r"D2_Positions",
            "holds Human3.6M's positions in the picture; expected those in the world, Poses_D3_Positions",
        ),
        (r"(D3_Angles|RawAngles)", "holds Human3.6M's joint angles; expected the positions, Poses_D3_Positions"),
    )
)


def why_unfit(path: Path) -> str | None:
    """What a file is and why it cannot serve, as the end of a sentence; None if its name says nothing of the kind."""
    names = "/".join(path.parts[-4:])  # S1/MyPoseFeatures/D3_Positions_mono/Directions 1.54138969.cdf
    return next((why for pattern, why in _UNFIT if pattern.search(names)), None)

"""A capture of Human3.6M's size as its official archives, and what the pipeline makes of it; made once, then kept.

They lie in data/bench/, which git ignores and which can be removed at any time.
"""

import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cdflib.cdfwrite import CDF

from benchmarks.recipes import published_params
from wsgcn.captures.human36m.names import FPS, SUBJECTS
from wsgcn.captures.params import PreprocessParams
from wsgcn.captures.preprocessing import preprocess
from wsgcn.captures.synthetic import synthesise_take
from wsgcn.captures.synthetic.capture import TAKES
from wsgcn.detections.importing import import_detections
from wsgcn.pose.skeleton import H36M17, H36M32_INDEX
from wsgcn.running.params import Params, parse_params

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "data" / "bench"
TEST_SUBJECTS = ("S9", "S11")

# Frames a take, so that four cameras see 1.56 million poses of the five training subjects and 0.54 million of the two
# test subjects, who have 59 takes (one of S11's is corrupted in Human3.6M, and left out).
TRAINING_FRAMES, TEST_FRAMES = 2600, 2288

_DOUBLE = 45  # CDF's number for it
_OFFSET_MM = 40.0


def archives(cache: Path = CACHE, training_frames: int = TRAINING_FRAMES, test_frames: int = TEST_FRAMES) -> Path:
    """A folder with Poses_D3_Positions_S*.tgz of seven subjects, each of 15 actions in two takes."""
    folder = cache / f"archives-{training_frames}-{test_frames}"
    frames = {subject: test_frames if subject in TEST_SUBJECTS else training_frames for subject in SUBJECTS}
    return made_once(folder, lambda new: _write_archives(new, frames))


def prepared(
    cache: Path = CACHE, training_frames: int = TRAINING_FRAMES, test_frames: int = TEST_FRAMES
) -> tuple[Path, Path]:
    """poses.h5 and detections.h5 (exact 2D) of that capture."""
    raw = archives(cache, training_frames, test_frames)
    folder = cache / f"prepared-{training_frames}-{test_frames}"
    made_once(folder, lambda new: prepare(raw, new))
    return folder / "poses.h5", folder / "detections.h5"


def prepare(raw: Path, folder: Path) -> None:
    """What the stages preprocess and detections do."""
    params = full_size_params(raw)
    preprocess(PreprocessParams.of(params).data, folder / "poses.h5", folder / "preprocess.json")
    import_detections(params.detections, folder / "poses.h5", folder / "detections.h5", folder / "detections.json")


def full_size_params(raw: Path | str = "capture") -> Params:
    """The published recipe on every frame of the capture at `raw`, with exact 2D."""
    tree = published_params().model_dump()
    tree["data"] |= {"raw": str(raw), "layout": "auto", "stride": 1}
    tree["detections"] |= {"source": "gt", "path": str(raw)}
    return parse_params(tree, "params.yaml")


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder, which `make` fills if it is not there; it appears whole, also where two processes make it at once."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            new = Path(temporary, "new")
            new.mkdir()
            make(new)
            try:
                new.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder


def _write_archives(folder: Path, frames: dict[str, int]) -> None:
    for subject, count in frames.items():
        with (
            tarfile.open(folder / f"Poses_D3_Positions_{subject}.tgz", "w:gz", compresslevel=6) as archive,
            tempfile.TemporaryDirectory() as scratch,
        ):
            for take in TAKES:
                path = Path(scratch, f"{take}.cdf")
                _write_cdf(path, _recorded_mm(synthesise_take(subject, take, count / FPS, seed=0)))
                archive.add(path, f"{subject}/MyPoseFeatures/D3_Positions/{take}.cdf")
                path.unlink()


def _recorded_mm(positions_m: np.ndarray) -> np.ndarray:
    """(T, 17, 3) metres to the 32 joints (T, 96), mm, with the digits of a recording, which compress badly.

    A joint beyond the 17 stands beside the one before it; no two are equal, which would be easy to unpack.
    """
    positions_mm = np.empty((len(positions_m), 32, 3))
    indices = {H36M32_INDEX[joint]: H36M17.joints.index(joint) for joint in H36M17.joints}
    for index in range(32):
        if index in indices:
            positions_mm[:, index] = positions_m[:, indices[index]] * 1000
        else:
            positions_mm[:, index] = positions_mm[:, index - 1] + _OFFSET_MM
    return positions_mm.reshape(-1, 96).astype(np.float32).astype(np.float64)


def _write_cdf(path: Path, pose_mm: np.ndarray) -> None:
    """As the official files are: one record of the variable Pose, (1, T, 96), the file compressed as a whole."""
    writer = CDF(path, cdf_spec={"Compressed": 6})
    variable = {
        "Variable": "Pose",
        "Data_Type": _DOUBLE,
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Dim_Sizes": list(pose_mm.shape),
        "Compress": 0,
    }
    writer.write_var(variable, var_data=pose_mm[None])
    writer.close()

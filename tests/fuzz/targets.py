"""Every reader of files from elsewhere: small sound files for it, and the function that reads one to its end.

The sound files come from the project's own writers and from the makers in the readers' tests.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.captures.human36m import test_h36m_layouts as h36m
from tests.captures.test_preprocessing import ROOT, body_mm, data_params, write_npz
from tests.detections import test_detections_evoskeleton as evoskeleton
from tests.detections import test_detections_hourglass as hourglass
from tests.detections import test_detections_videopose3d as videopose3d
from tests.fuzz.target import Seed, Target
from tests.lifting import test_calibrations as calibrations
from tests.lifting.keypoints import test_keypoints_alphapose as alphapose
from tests.lifting.keypoints import test_keypoints_any_json as any_forms
from tests.lifting.keypoints import test_keypoints_blazepose as blazepose
from tests.lifting.keypoints import test_keypoints_coco as coco
from tests.lifting.keypoints import test_keypoints_detectron as detectron
from tests.lifting.keypoints import test_keypoints_easy_vitpose as easy_vitpose
from tests.lifting.keypoints import test_keypoints_mmpose as mmpose
from tests.lifting.keypoints import test_keypoints_openpose as openpose
from tests.lifting.keypoints import test_keypoints_skeleton_sequence as skeleton_sequence
from tests.lifting.keypoints import test_keypoints_ultralytics as ultralytics
from tests.lifting.test_intrinsics import MATRIX
from tests.lifting.test_intrinsics import SIZE as PICTURE
from tests.lifting.test_writers import clip
from tests.people import SIZE, triples
from tests.rendering.capture import write_predictions
from tests.tiny import write_tiny_capture
from tests.tiny_checkpoint import write_tiny_checkpoint
from tests.video.films import write_film, write_gif
from wsgcn.captures.preprocessing import preprocess
from wsgcn.detections.importing import import_detections
from wsgcn.detections.params import DetectionsSection as DetectionsParams
from wsgcn.lifting.batch_lifting import lift_file
from wsgcn.lifting.intrinsics import intrinsics_px
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.lifter import Lifter
from wsgcn.lifting.writers.formats import write_lifted
from wsgcn.pose.store import Detections, Poses, Predictions
from wsgcn.release.checkpoint_info import describe
from wsgcn.rendering.sources import read_sequences
from wsgcn.rendering.viewer import within, write_viewer
from wsgcn.running.params import read_params
from wsgcn.video.frames import Video


def _written(folder: Path, write: Callable[[Path], object], *names: str) -> Seed:
    """What `write` puts into a new folder: the named files, or all of them."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        write(place)
        found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        return {name: (place / name).read_bytes() for name in (names or found)}


def _npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.asarray(value) for name, value in arrays.items()})
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _json(tree: object) -> bytes:
    return json.dumps(tree).encode()


# Human3.6M's 3D, as stage preprocess reads it

_TAKES = {("S1", "Walking 1"): body_mm(1), ("S9", "Eating"): body_mm(2, frames=6)}


def _flat_mm() -> Iterator[tuple[str, str, np.ndarray]]:
    for (subject, take), positions_mm in _TAKES.items():
        yield subject, take, h36m.flat(positions_mm)


def cdf(folder: Path, **spec: object) -> Seed:
    return {
        f"{subject}/{h36m.CDF_FOLDER}/{take}.cdf": h36m.cdf_bytes(folder, rows[None], **spec)
        for subject, take, rows in _flat_mm()
    }


def cdf_trees(folder: Path) -> Iterator[Seed]:
    for spec in ({}, {"Compressed": 6}, {"in_file": True}):
        yield cdf(folder, **spec)


def cdf_archives(folder: Path) -> Iterator[Seed]:
    for spec in ({}, {"Compressed": 6}):
        files = cdf(folder, **spec)
        yield {
            f"Poses_D3_Positions_{subject}.tgz": _written(
                folder,
                lambda place, subject=subject, files=files: h36m.write_tar(
                    place / "a", {name: content for name, content in files.items() if name.startswith(f"{subject}/")}
                ),
            )["a"]
            for subject in ("S1", "S9")
        }


def mat_trees(to_bytes: Callable[[np.ndarray], bytes], _: Path) -> Iterator[Seed]:
    yield {f"{subject}/{h36m.CDF_FOLDER}/{take}.cdf.mat": to_bytes(rows) for subject, take, rows in _flat_mm()}


def martinez_trees(_: Path) -> Iterator[Seed]:
    yield {f"{subject}/{h36m.H5_FOLDER}/{take}.h5": h36m.h5_bytes(rows.T) for subject, take, rows in _flat_mm()}


def martinez_zips(folder: Path) -> Iterator[Seed]:
    [files] = martinez_trees(folder)
    members = {f"h36m/{name}": content for name, content in files.items()}
    yield _written(folder, lambda place: h36m.write_zip(place / "h36m.zip", members))


def videopose3d_3d(folder: Path) -> Iterator[Seed]:
    yield _written(folder, lambda place: write_npz(place / "data_3d_h36m.npz", _TAKES))


def read_h36m(path: Path, out: Path) -> object:
    return preprocess(data_params(path), out / "poses.h5", out / "report.json").text()


# 2D detections, as stage detections reads them

_FRAMES = 5


@cache
def _poses_path() -> Path:
    return write_tiny_capture(Path(tempfile.mkdtemp()), ("S1",), ("Eating",), _FRAMES)[0]


def _hourglass(folder: str, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}S1/{folder}/Eating.{serial}.h5": hourglass._h5(hourglass._poses_px(_FRAMES, seed))
        for seed, serial in enumerate(("54138969", "60457274"))
    }


def hourglass_zips(folder: Path) -> Iterator[Seed]:
    yield _written(folder, lambda place: hourglass._zip(place / "h36m.zip", _hourglass("StackedHourglass", "h36m/")))


def hourglass_tars(folder: Path) -> Iterator[Seed]:
    files = _hourglass("StackedHourglassFineTuned240")
    yield _written(folder, lambda place: hourglass._tar(place / "stacked_hourglass_fined_tuned_240.tar.gz", files))


def hourglass_trees(_: Path) -> Iterator[Seed]:
    yield _hourglass("StackedHourglass")


def videopose3d_2d(_: Path) -> Iterator[Seed]:
    for metadata, joints, channels in ((videopose3d._H36M17, 17, 2), (videopose3d._COCO, 17, 3)):
        arrays = videopose3d._arrays(joints, channels)
        positions = {"S1": {"Eating": arrays}, "S5": {"Photo 1": arrays}}
        yield {"data_2d_h36m_cpn.npz": _npz(positions_2d=positions, metadata=metadata)}


def evoskeleton_npy(folder: Path) -> Iterator[Seed]:
    tree = {(1, "Eating", f"Eating.{serial}.h5-sh"): evoskeleton.rows(_FRAMES) for serial in ("54138969", "60457274")}
    yield _written(folder, lambda place: evoskeleton.write(place / "twoDPose_HRN_test.npy", tree))


def read_detections(source: str, path: Path, out: Path) -> object:
    params = DetectionsParams(source=source, joints="auto", path=str(path))
    return import_detections(params, _poses_path(), out / "detections.h5", out / "report.json").text()


# the pipeline's own files, which may come from somebody else


def poses(folder: Path) -> Iterator[Seed]:
    yield _written(folder, lambda place: write_tiny_capture(place, ("S1", "S9"), ("Eating",), _FRAMES), "poses.h5")


def detections(folder: Path) -> Iterator[Seed]:
    yield _written(folder, lambda place: write_tiny_capture(place, ("S9",), ("Eating",), _FRAMES), "detections.h5")


def predictions(folder: Path) -> Iterator[Seed]:
    def write(place: Path) -> None:
        write_predictions(place, ("S9",), ("Eating",), _FRAMES)

    yield _written(folder, write, "predictions.h5", "detections.h5")


def read_poses(path: Path, out: Path) -> object:
    with Poses(path) as opened:
        takes = [(subject, take) for subject in opened.subjects for take in opened.takes(subject)]
        read = [(opened.fps(*key), opened.dropped_frames(*key), opened.positions_m(*key)) for key in takes]
    params = DetectionsParams(source="gt", joints="auto", path="-")
    return read, import_detections(params, path, out / "detections.h5", out / "report.json")


def read_detections_h5(path: Path, out: Path) -> object:
    with Detections(path) as opened:
        return (
            [opened.source, opened.joints, opened.cameras()],
            [
                (opened.frames(subject, take, serial), opened.sequence(subject, take, serial))
                for subject in opened.subjects
                for take in opened.takes(subject)
                for serial in opened.serials(subject, take)
            ],
        )


def read_predictions(path: Path, out: Path) -> object:
    with Predictions(path) as opened:
        attributes = opened.joints, opened.attributes
        read = [
            (opened.predicted_m(subject, take, serial), opened.truth_m(subject, take, serial))
            for subject in opened.subjects
            for take in opened.takes(subject)
            for serial in opened.serials(subject, take)
        ]
    return attributes, read, read_poses_to_show(path, out)


# keypoints of one's own, as `wsgcn lift` reads them


def coco_results(_: Path) -> Iterator[Seed]:
    yield {"coco.json": _json(coco.results(triples(4)))}
    yield {"coco.json": _json(coco.results(triples(3), track_id=5) + coco.results(triples(3, seed="b"), track_id=6))}


def coco_annotations(_: Path) -> Iterator[Seed]:
    for step in (1, 10):
        tree = coco.annotations(triples(3))
        for t, image in enumerate(tree["images"]):
            image |= {"width": SIZE[0], "height": SIZE[1]}
            if step > 1:
                image["frame_id"] = step * t
        yield {"coco.json": _json(tree)}


def alphapose_results(_: Path) -> Iterator[Seed]:
    yield {"alphapose-results.json": _json(alphapose.entries(triples(4, "halpe_26")))}
    tracked = alphapose.entries(triples(3), idx=1) + alphapose.entries(triples(3, seed="b"), idx=[[2.0], [2.0]])
    yield {"alphapose-results.json": _json(tracked)}


def openpose_folders(folder: Path) -> Iterator[Seed]:
    for order in ("body_25", "coco_18"):
        people = [triples(3, order), triples(3, order, "b", score=0.5)]
        files = _written(folder, lambda place, people=people: openpose.write(place / "frames", people))
        yield {name.removeprefix("frames/"): content for name, content in files.items()}


def mmpose_results(_: Path) -> Iterator[Seed]:
    yield {"video.json": _json(mmpose.with_names(triples(4), coco.COCO_NAMES))}
    yield {"video.json": _json(mmpose.frames(triples(3)))}


def blazepose_landmarks(_: Path) -> Iterator[Seed]:
    points = triples(3, "blazepose_33")
    yield {"landmarks.json": _json([blazepose.landmarks(frame, SIZE[0]) for frame in points])}
    yield {"landmarks.json": _json([None, {"pose_landmarks": [blazepose.landmarks(points[1])] * 2}])}
    yield {"landmarks.npy": _npy(np.insert(points, 2, 0.5, axis=-1))}


def ultralytics_frames(_: Path) -> Iterator[Seed]:
    yield {"yolo.json": _json(ultralytics.frames(triples(3), track_id=2))}
    yield {"yolo.json": _json([json.dumps(frame) for frame in ultralytics.frames(triples(2))])}


def ultralytics_labels(folder: Path) -> Iterator[Seed]:
    for extras in ((), (0.9, 3)):
        files = _written(
            folder, lambda place, extras=extras: ultralytics.write_labels(place / "labels", [triples(3)], extras)
        )
        yield {name.removeprefix("labels/"): content for name, content in files.items()}


def other_json(_: Path) -> Iterator[Seed]:
    yield {"a.json": _json(easy_vitpose.tree_of(triples(3, "halpe_26")))}
    yield {"a.json": _json(skeleton_sequence.gast_net(triples(3)))}
    yield {"a.json": _json(skeleton_sequence.kinetics(triples(3, "coco_18")))}
    for tree in blazepose.SPELLINGS.values():
        yield {"a.json": _json(tree)}
    people = [{"joints": frame.ravel().tolist()} for frame in triples(3, "coco_18")]
    yield {"a.json": _json({f"{t}.jpg": {"bodies": [person]} for t, person in enumerate(people)})}
    frames = {str(t): {"keypoints": frame.ravel().tolist(), "scores": 1.5} for t, frame in enumerate(triples(3))}
    yield {"a.json": _json({"7": frames})}


def any_json(_: Path) -> Iterator[Seed]:
    for tree in any_forms.FORMS.values():
        yield {"a.json": _json(tree)}


def detectron_npz(folder: Path) -> Iterator[Seed]:
    yield _written(folder, lambda place: detectron.write(place / "clip.mp4.npz", [triples(3)]))


def videopose3d_custom(_: Path) -> Iterator[Seed]:
    videos = {"a.mp4": {"custom": [triples(4)[..., :2]]}, "b.mp4": {"custom": [triples(3), triples(2)]}}
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "video_metadata": {"a.mp4": {"w": 1000, "h": 1000}, "b.mp4": {"w": 1000, "h": 1000}},
    }
    yield {"data_2d_custom_me.npz": _npz(positions_2d=videos, metadata=metadata)}


def arrays_npz(_: Path) -> Iterator[Seed]:
    points = triples(4)
    yield {"mine.npz": _npz(keypoints=points[..., :2], scores=points[..., 2], joints="coco")}
    yield {"mine.npz": _npz(keypoints=points)}


def arrays_npy(_: Path) -> Iterator[Seed]:
    yield {"mine.npy": _npy(triples(4))}
    yield {"mine.npy": _npy(np.asfortranarray(triples(1)[0, :, :2].astype(">f4")))}


def parquet(_: Path) -> Iterator[Seed]:
    points = triples(6)
    columns = {
        "frame": np.arange(6),
        "keypoints_px": [None, *points[1:, :, :2].reshape(5, -1)],
        "scores": list(points[..., 2]),
        "person": ["a", "a", "a", "a", "b", "b"],
    }
    metadata = {"joints": "coco", "width": "1000", "height": "1000"}
    for names in (("frame", "keypoints_px"), tuple(columns)):
        table = pa.table({name: columns[name] for name in names}).replace_schema_metadata(metadata)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=4, compression="snappy" if len(names) == 2 else "zstd")
        yield {"many.parquet": buffer.getvalue()}


@cache
def _lifter() -> Lifter:
    path = Path(tempfile.mkdtemp()) / "tiny.pt"
    write_tiny_checkpoint(path)
    return Lifter.load(path, "cpu")


def lift(joints: str | None, path: Path, out: Path) -> None:
    """Everybody's track; the first one is lifted and written in every format."""
    file = open_keypoints(path, joints=joints)
    listed = [str(person) for person in file.people]
    tracks = [file.track(person.name) for person in file.people]
    assert len(listed) == len(tracks)
    size = tracks[0].size or SIZE
    lifted = _lifter().lift(file, size, person=tracks[0].person, intrinsics="1145px")
    for suffix in (".npz", ".json", ".csv", ".h5"):
        write_lifted(lifted, out / f"lifted{suffix}")


def lift_in_batches(path: Path, out: Path) -> None:
    for suffix in (".parquet", ".h5"):
        lift_file(_lifter(), path, out / f"lifted{suffix}", piece_frames=5)


def lift_detections(path: Path, out: Path) -> None:
    lift(None, path, out)
    lift_in_batches(path, out)


# lifted poses, as `wsgcn view` and `wsgcn render` read them


def lifted(suffix: str, folder: Path) -> Iterator[Seed]:
    for names in (None, tuple(f"{frame}.jpg" for frame in range(5))):
        made = clip(frames=5, names=names, is_absolute=names is None)
        yield _written(folder, lambda place, made=made: write_lifted(made, place / f"lifted{suffix}"))


def read_poses_to_show(path: Path, out: Path) -> object:
    return write_viewer(out / "view.html", within(read_sequences(path), 1000), title=path.name)


# films


def films(folder: Path) -> Iterator[Seed]:
    for name, codec in (
        ("film.mp4", "mpeg4"),
        ("film.webm", "libvpx"),
        ("film.avi", "mjpeg"),
        ("film.ts", "mpeg2video"),
    ):
        yield _written(folder, lambda place, name=name, codec=codec: write_film(place / name, frames=4, codec=codec))
    yield _written(folder, lambda place: write_gif(place / "film.gif", (0, 0.04, 0.1, 0.2)))


def read_frames(path: Path, _: Path) -> object:
    with Video(path) as video:
        return sum(int(frame.picture_HWC.sum()) for frame in video)


# the rest


def intrinsics(_: Path) -> Iterator[Seed]:
    yield {"K.json": _json(MATRIX.tolist())}
    yield {"K.npy": _npy(MATRIX.astype(float))}
    yield {"K.txt": b"1500 0 950\n0 1490 545\n0 0 1\n"}
    yield {"K.csv": b"1500, 0, 950\n0, 1490, 545\n0, 0, 1\n"}
    for name, text in calibrations.TEXTS.items():
        yield {name: text.encode()}
    yield {"cal.npz": _npz(mtx=MATRIX, dist=np.zeros((1, 5)))}


def checkpoints(folder: Path) -> Iterator[Seed]:
    for changes in ({}, {"model__name": "linear", "model__linear": {"width": 8, "blocks": 1, "dropout": 0.0}}):
        yield _written(folder, lambda place, changes=changes: write_tiny_checkpoint(place / "weak.pt", **changes))


def params(_: Path) -> Iterator[Seed]:
    yield {"params.yaml": (ROOT / "params.yaml").read_bytes()}


_ALL = (
    Target("cdf", cdf_trees, read_h36m, is_folder=True),
    Target("cdf_archives", cdf_archives, read_h36m, is_folder=True),
    Target("mat_5", partial(mat_trees, h36m.mat5_bytes), read_h36m, is_folder=True),
    Target("mat_7.3", partial(mat_trees, h36m.mat73_bytes), read_h36m, is_folder=True),
    Target("martinez", martinez_trees, read_h36m, is_folder=True),
    Target("martinez_zip", martinez_zips, read_h36m),
    Target("videopose3d_3d", videopose3d_3d, read_h36m),
    Target("hourglass_zip", hourglass_zips, partial(read_detections, "hourglass_pretrained")),
    Target("hourglass_tar", hourglass_tars, partial(read_detections, "hourglass_finetuned")),
    Target("hourglass_tree", hourglass_trees, partial(read_detections, "hourglass_pretrained"), is_folder=True),
    Target("videopose3d_2d", videopose3d_2d, partial(read_detections, "cpn")),
    Target("evoskeleton", evoskeleton_npy, partial(read_detections, "evoskeleton")),
    Target("poses", poses, read_poses),
    Target("detections", detections, read_detections_h5),
    Target("predictions", predictions, read_predictions),
    Target("coco_results", coco_results, partial(lift, None)),
    Target("coco_annotations", coco_annotations, partial(lift, None)),
    Target("alphapose", alphapose_results, partial(lift, None)),
    Target("openpose", openpose_folders, partial(lift, None), is_folder=True),
    Target("mmpose", mmpose_results, partial(lift, "coco")),
    Target("blazepose", blazepose_landmarks, partial(lift, None)),
    Target("ultralytics", ultralytics_frames, partial(lift, None)),
    Target("ultralytics_labels", ultralytics_labels, partial(lift, None), is_folder=True),
    Target("other_json", other_json, partial(lift, None)),
    Target("any_json", any_json, partial(lift, "coco")),
    Target("detectron", detectron_npz, partial(lift, None)),
    Target("videopose3d_custom", videopose3d_custom, partial(lift, None)),
    Target("npz", arrays_npz, partial(lift, "coco")),
    Target("npy", arrays_npy, partial(lift, "coco")),
    Target("parquet", parquet, lift_in_batches),
    Target("detections_lifted", detections, lift_detections),
    Target("lifted_npz", partial(lifted, ".npz"), read_poses_to_show),
    Target("lifted_h5", partial(lifted, ".h5"), read_poses_to_show),
    *((Target("films", films, read_frames),) if find_spec("av") else ()),  # the extra video
    Target("intrinsics", intrinsics, lambda path, _: intrinsics_px(path, PICTURE)),
    Target("checkpoint", checkpoints, lambda path, _: describe(path)),
    Target("params", params, lambda path, _: read_params(path).flat()),
)

TARGETS: Mapping[str, Target] = {target.name: target for target in _ALL}

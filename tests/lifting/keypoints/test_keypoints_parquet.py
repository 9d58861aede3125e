import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.people import triples
from wsgcn.base.errors import InputError
from wsgcn.detections.joint_orders import COCO
from wsgcn.lifting.keypoints.formats import open_keypoints
from wsgcn.lifting.keypoints.parquet import ParquetFile


@pytest.fixture
def save(tmp_path):
    def save(metadata=None, **columns):
        points = triples(6)
        table = {
            "frame": np.arange(6),
            "keypoints_px": list(points[..., :2].reshape(6, -1)),
            "scores": list(points[..., 2]),
            "person": ["a", "a", "a", "a", "b", "b"],
        } | columns
        kept = {name: values for name, values in table.items() if values is not None}
        path = tmp_path / "many.parquet"
        pq.write_table(pa.table(kept).replace_schema_metadata(metadata), path)
        return path

    return save


FULL = {"joints": "coco", "width": "1000", "height": "800"}


def test_pieces_hold_one_person_each_and_are_everything(save):
    file = ParquetFile(save(FULL))
    assert file.order is COCO
    pieces = list(file.pieces(3))
    assert [(piece.person, piece.frames.tolist()) for piece in pieces] == [
        ("a", [0, 1, 2]),
        ("a", [3]),
        ("b", [4, 5]),
    ]
    assert pieces[0].size == (1000, 800)
    np.testing.assert_allclose(np.concatenate([piece.keypoints for piece in pieces]), triples(6)[..., :2], atol=1e-3)
    np.testing.assert_allclose(pieces[0].scores, 0.9)


def test_a_null_row_is_a_frame_without_the_person(save):
    rows = list(triples(6)[..., :2].reshape(6, -1))
    rows[2] = None
    pieces = list(ParquetFile(save(FULL, keypoints_px=rows, person=None, scores=None)).pieces(10))
    assert np.isnan(pieces[0].keypoints).all((1, 2)).tolist() == [False, False, True, False, False, False]
    assert (pieces[0].person, pieces[0].scores[0, 0], pieces[0].scores[2, 0]) == ("1", 1, 0)


def test_the_joint_order_must_be_known(save):
    with pytest.raises(InputError, match=r"many\.parquet: does not say the order of its joints"):
        ParquetFile(save())
    assert ParquetFile(save(), COCO).order is COCO


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"frame": None}, "but no frame"),
        ({"keypoints_px": None}, "but no keypoints_px"),
        ({"frame": [0, 1, 1, 2, 3, 4]}, "the frames of person a are not ascending"),
        ({"frame": [0.5, 1, 2, 3, 4, 5]}, "expected whole numbers"),
        ({"person": ["a", "b", "a", "a", "a", "a"]}, "the rows of person a do not stand together"),
        ({"keypoints_px": [np.zeros(32)] * 6}, "has a row with 32 numbers in keypoints_px, expected 34"),
        ({"scores": [np.zeros(16)] * 6}, "has a row with 16 numbers in scores, expected 17"),
        ({"keypoints_px": [1.0] * 6}, "the column keypoints_px is no list of numbers"),
    ],
    ids=range(8),
)
def test_bad_content_is_one_sentence(save, columns, message):
    with pytest.raises(InputError, match=r"many\.parquet: .*" + message):
        list(ParquetFile(save(FULL, **columns)).pieces(3))


def test_a_truncated_file_is_one_sentence(save):
    path = save(FULL)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"many\.parquet: is not a readable Parquet file"):
        ParquetFile(path)


def test_a_clip_in_parquet_says_where_it_belongs(save):
    with pytest.raises(InputError, match=r"many\.parquet: is Parquet, which is lifted in batches"):
        open_keypoints(save(FULL))

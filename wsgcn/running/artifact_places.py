"""Artifacts lie beside MLflow's database, also after the folder was moved or copied.

MLflow writes down absolute places: a run in a copy would write into the original, and one in a moved folder would make
the old one again. An experiment whose artifacts lie beside the database has a tag that says so, and where its place is
another than the database's, what MLflow wrote down is put right. Experiments without the tag are somebody else's.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

TAG = {"wsgcn.artifacts": "beside the database"}

_FOLDER = "mlartifacts"
_OF_ITS_RUNS = "run_id in (select run_uuid from runs where experiment_id = ?)"
# Table, key, column, and which rows are an experiment's.
_PLACES = (
    ("runs", "run_uuid", "artifact_uri", "experiment_id = ?"),
    ("logged_models", "model_id", "artifact_location", "experiment_id = ?"),
    ("model_versions", "rowid", "source", _OF_ITS_RUNS),
    ("model_versions", "rowid", "storage_location", _OF_ITS_RUNS),
)


def beside(database: Path) -> str:
    """Where the artifacts of a database belong."""
    return (database.parent / _FOLDER).as_uri()


def put_right(database: Path, experiment: str) -> str:
    """Have an experiment's artifacts, those of its runs and models too, looked for beside the database.

    What is still where it was and is not beside the database, as where the database alone was copied, stays.

    Returns:
        A sentence about it; empty if there was nothing to do.
    """
    here = beside(database)
    with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as store:
        row = _moved(store, experiment, here)
        if row is None:
            return ""
        store.execute("begin immediate")
        row = _moved(store, experiment, here)  # another process may have been faster
        if row is None:
            return ""
        number, there = row
        kept = 0
        for table, key, column, which in _PLACES:
            places = store.execute(f"select {key}, {column} from {table} where {which}", (number,)).fetchall()
            for name, place in places:
                if not place or not place.startswith(f"{there}/"):
                    continue
                new = here + place.removeprefix(there)
                if _path(place).exists() and not _path(new).exists():
                    kept += table == "runs"
                else:
                    store.execute(f"update {table} set {column} = ? where {key} = ?", (new, name))
        store.execute("update experiments set artifact_location = ? where experiment_id = ?", (here, number))
        store.execute("commit")
    stays = f", {kept} runs' stay in {_path(there)}, where they still are" if kept else ""
    return f"MLflow's database was moved or copied here: artifacts are now kept in {_path(here)}{stays}."


def _moved(store: sqlite3.Connection, experiment: str, here: str) -> tuple[int, str] | None:
    """Number and place of the experiment, if it has the tag and another place."""
    [(name, value)] = TAG.items()
    return store.execute(
        "select experiments.experiment_id, artifact_location from experiments "
        "join experiment_tags on experiment_tags.experiment_id = experiments.experiment_id "
        "where name = ? and key = ? and value = ? and artifact_location <> ?",
        (experiment, name, value, here),
    ).fetchone()


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))

"""The stages of dvc.yaml, one file each: what it reads of params.yaml, and one library call; no maths.

`python -m stages NAME` runs one. What it runs in (MLflow, progress bars, provenance) is behind `__main__`, on which no
stage depends.
"""

"""The stages of dvc.yaml, one file each: read parameters, call one library function, write outputs; no maths."""

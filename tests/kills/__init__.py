"""Stages that are killed at random moments, and what `dvc repro` then makes of it: `make kills`.

runner (a tiny clone of the project, the kills, what is looked at afterwards) <- __main__ (arguments, the table).
"""

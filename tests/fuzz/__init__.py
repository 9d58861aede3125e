"""Damaged and hostile files for every reader: `python -m tests.fuzz --help`, `make fuzz`.

`targets` lists the readers with small sound files for each; `mutations` damages those; `child` reads them in a process
with bounds; `runner` starts such processes and counts how the cases end.
"""

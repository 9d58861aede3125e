"""WS-GCN: 3D human pose from the 2D joints of one frame, with 3D labels of one subject only.

Every module states its axes with these letters:
B batch, T frames, J joints, E bones, G joint groups, C channels, K cameras.
Quantities carry frame and unit in their names (`_m`, `_mm`, `_px`); lengths are metres unless the name says otherwise.
"""

import os

# Read by OpenMP when torch is loaded. Threads that wait for work otherwise spin, and two runs on one machine then slow
# each other to a crawl (a step took over 10 times longer; asleep it takes twice as long, its fair share).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

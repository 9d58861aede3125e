"""WS-GCN: 3D human pose from the 2D joints of one frame, with 3D labels of one subject only.

Every module states its axes with these letters:
B batch, T frames, J joints, E bones, G joint groups, C channels, K cameras.
Quantities carry frame and unit in their names (`_m`, `_mm`, `_px`); lengths are metres unless the name says otherwise.
"""

import os

# Read by OpenMP when torch is loaded. A thread that waits for work spins for so many rounds and then sleeps. A training
# step of torch's operations on 2 cores took, alone and where two runs share the machine: at GNU's default of 300,000
# rounds 209 and 535 ms (and many times that where more share it), asleep at once 248 and 387 ms, at 3,000 rounds 212
# and 403 ms. The float32 step has left OpenMP; evaluation, bf16 and what is around the layers have not.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

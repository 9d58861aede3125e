"""What the compiled kernels of training and prediction have in common: how they are compiled, and channels.

All is float32; nothing is checked.
"""

import numpy as np

from wsgcn.model.cpu.compiled import compiled

# Sums in any order, fused multiply-add; NaN and infinity keep their meaning.
vectorised = compiled(fastmath={"reassoc", "contract", "nsz"})


@vectorised
def dot(a_C, b_C):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for c in range(len(a_C)):
        total += a_C[c] * b_C[c]
    return total


@vectorised
def add_scaled(to_C, scale, b_C):  # type: ignore[no-untyped-def]
    for c in range(len(b_C)):
        to_C[c] += scale * b_C[c]

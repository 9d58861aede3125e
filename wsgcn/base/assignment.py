"""Who is whom among two lists: the assignment whose costs have the smallest sum.

Source: Kuhn, The Hungarian method, 1955; SciPy's `linear_sum_assignment`.
"""

import numpy as np


def assign(cost_NM: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and the columns that they go with, (P,) each; no pair costs more than 1.

    Args:
        cost_NM: of each pair, from 0; more than 1 (or NaN) is never.
    """
    from scipy.optimize import linear_sum_assignment  # a third of a second to import, for some inputs only

    rows = len(cost_NM)
    # What may not be costs more than any number of pairs that may; of two equal rows the first goes on.
    cost_NM = np.where(cost_NM <= 1, cost_NM, 2.0 + rows) + 1e-6 * np.arange(rows)[:, None] / max(rows, 1)
    n, m = linear_sum_assignment(cost_NM)
    may_be = cost_NM[n, m] < 2
    return n[may_be], m[may_be]

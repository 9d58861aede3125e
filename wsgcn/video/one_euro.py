"""The one-euro filter: a low-pass filter that lets fast movement through.

Source: Casiez, Roussel and Vogel, 1 € Filter, CHI 2012.
"""

import numpy as np


class OneEuroFilter:
    """Filters an array over time, each value for itself.

    Args:
        min_cutoff_hz: the cutoff at rest.
        beta: how much the cutoff grows with the speed.
        speed_cutoff_hz: of the speed's own filter.
    """

    def __init__(self, min_cutoff_hz: float, beta: float, speed_cutoff_hz: float = 1.0) -> None:
        self._min_cutoff_hz, self._beta, self._speed_cutoff_hz = min_cutoff_hz, beta, speed_cutoff_hz
        self._last: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None  # time, raw, filtered, speed

    def __call__(self, time_s: float, value: np.ndarray, scale: float) -> np.ndarray:
        """The filtered value.

        Args:
            time_s: later than at the last call.
            scale: what the speed is measured in: values a second over this, such as the size of what moves.
        """
        if self._last is None:
            self._last = time_s, value, value, np.zeros_like(value)
            return value
        last_s, last_raw, last_filtered, last_speed = self._last
        step_s = time_s - last_s
        assert step_s > 0
        speed = last_speed + _share(self._speed_cutoff_hz, step_s) * ((value - last_raw) / scale / step_s - last_speed)
        share = _share(self._min_cutoff_hz + self._beta * np.abs(speed), step_s)
        filtered = last_filtered + share * (value - last_filtered)
        self._last = time_s, value, filtered, speed
        return filtered


def _share(cutoff_hz: np.ndarray | float, step_s: float) -> np.ndarray | float:
    """How much of a new value goes into the filtered one."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s))

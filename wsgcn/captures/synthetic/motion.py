"""How a body moves: smooth noise, smooth passages between targets, a path on the floor, steps along it, a gait.

A `Performance` gathers what a take asks for (where the feet go, how the trunk and arms are held) and solves it for the
joint angles: the pelvis is carried as high as both legs allow, and the legs reach for their footprints.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from wsgcn.captures.human36m.names import FPS
from wsgcn.captures.synthetic.body import (
    LIMITS,
    OUTWARD,
    SIDES,
    Body,
    hip_joint,
    leg_angles,
    pelvis_rotation,
    within_limits,
)

# The middle and the radius of the floor where all four cameras see a whole person.
CENTRE_M = np.array([0.2, 0.5])
RADIUS_M = 1.15

_MARGIN_FRAMES = 100  # before and after the take, so that its first and last steps are whole
_SWING = 0.52  # the part of a gait cycle after which the foot swings
_MID_STANCE = 0.26  # the part after which the body passes over the standing foot


@dataclass(frozen=True, kw_only=True)
class Style:
    """What is a subject's own, whatever it does."""

    tempo: float  # 1 is average
    amplitude: float  # of gait and gestures; 1 is average
    restlessness: float  # of the body when nothing happens; 1 is average
    right_handed: float  # share of the takes in which the right hand leads
    speed_m_s: float
    stride: float  # of the leg's length, at the speed above
    arm_swing: float  # radians
    step_width_m: float
    toe_out: float  # radians
    knee_bend: float  # share of the leg's length that is not used in standing
    posture: dict[str, float]  # mean of each angle of the trunk and neck, radians

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        posture_deg = {
            "pelvis_pitch": (-4, 4),
            "pelvis_roll": (-1.5, 1.5),
            "lumbar_flexion": (-7, 3),
            "lumbar_bend": (-2, 2),
            "lumbar_twist": (-3, 3),
            "thoracic_flexion": (-3, 10),
            "thoracic_bend": (-2, 2),
            "thoracic_twist": (-3, 3),
            "neck_flexion": (-12, 6),
            "neck_bend": (-4, 4),
            "neck_twist": (-5, 5),
            "head_nod": (-10, 10),
        }
        return cls(
            tempo=rng.uniform(0.85, 1.2),
            amplitude=rng.uniform(0.8, 1.25),
            restlessness=rng.uniform(0.7, 1.4),
            right_handed=rng.uniform(0.3, 1.0),
            speed_m_s=rng.uniform(0.85, 1.2),
            stride=rng.uniform(1.05, 1.28),
            arm_swing=np.radians(rng.uniform(12, 30)),
            step_width_m=rng.uniform(0.10, 0.20),
            toe_out=np.radians(rng.uniform(0, 15)),
            knee_bend=rng.uniform(0.002, 0.009),
            posture={name: np.radians(rng.uniform(*range_deg)) for name, range_deg in posture_deg.items()},
        )


def smooth_step(progress: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1, and constant outside, with the least jerk: 10 x^3 - 15 x^4 + 6 x^5."""
    x = np.clip(progress, 0.0, 1.0)
    return x**3 * (10 + x * (6 * x - 15))


def wander(rng: np.random.Generator, time_s: np.ndarray, slowest_s: float, fastest_s: float) -> np.ndarray:
    """(T,) band-limited noise of unit variance over random phases: six sinusoids, the slower the larger."""
    periods_s = np.geomspace(slowest_s, fastest_s, 6) * rng.uniform(0.85, 1.15, 6)
    amplitudes = np.sqrt(periods_s)
    amplitudes *= np.sqrt(2 / (amplitudes**2).sum())
    phases = rng.uniform(0, 2 * np.pi, 6)
    return (amplitudes[:, None] * np.sin(2 * np.pi * time_s / periods_s[:, None] + phases[:, None])).sum(0)


def moments(rng: np.random.Generator, time_s: np.ndarray, least_s: float, most_s: float) -> np.ndarray:
    """Times (K,) at which something new begins, the first of them before the take."""
    count = int((time_s[-1] - time_s[0]) / least_s) + 2
    gaps_s = rng.uniform(least_s, most_s, count)
    starts_s = time_s[0] - rng.uniform(0, most_s) + np.concatenate([[0.0], np.cumsum(gaps_s)])
    return starts_s[starts_s < time_s[-1]]


def passages(time_s: np.ndarray, starts_s: np.ndarray, values: np.ndarray, seconds: np.ndarray | float) -> np.ndarray:
    """(T, ...) from value to value: at each of the K starts a smooth step towards that value begins.

    Args:
        values: (K, ...).
        seconds: (K,) or one number, how long each step takes, cut to the time until the next start.
    """
    index = np.maximum(np.searchsorted(starts_s, time_s, side="right") - 1, 0)
    gaps_s = np.diff(starts_s, append=np.inf)
    lengths_s = np.minimum(seconds, gaps_s)
    progress = smooth_step((time_s - starts_s[index]) / lengths_s[index])
    progress = progress.reshape(-1, *(1,) * (values.ndim - 1))
    before = values[np.maximum(index - 1, 0)]
    return before + (values[index] - before) * progress


@dataclass
class Performance:
    """A take in the making; everything is (T,) or (T, n) over the take and a margin before and after it.

    Actions fill it in; `solve` turns it into a moving body.
    """

    body: Body
    style: Style
    rng: np.random.Generator
    frames: int
    time_s: np.ndarray = field(init=False)
    angles: dict[str, np.ndarray] = field(init=False)  # radians, without the legs'
    place_m: np.ndarray = field(init=False)  # (T, 2) world: where one stands
    heading: np.ndarray = field(init=False)  # (T,) radians from x towards y
    stroll: np.ndarray = field(init=False)  # (T,) 0 standing .. 1 walking: how far the gait moves trunk and arms
    cycle: np.ndarray = field(init=False)  # (T,) gait cycles since the start; a whole number is a step of the left foot
    sway_m: np.ndarray = field(init=False)  # (T, 2) the pelvis against the feet: forward, left
    fold: np.ndarray = field(init=False)  # (T,) share of the leg's length taken up by bent knees
    seated: np.ndarray = field(init=False)  # (T,) 0 standing .. 1 sitting
    seat_m: np.ndarray = field(init=False)  # (2,) of the hips when seated: behind the feet, above the floor
    arms_free: dict[str, np.ndarray] = field(init=False)  # (T,) how far an arm swings with the gait: 0 not .. 1 fully
    feet_m: dict[str, np.ndarray] = field(init=False)  # (T, 3) each ankle off its footprint: forward, outward, up

    def __post_init__(self) -> None:
        count = self.frames + 2 * _MARGIN_FRAMES
        self.time_s = (np.arange(count) - _MARGIN_FRAMES) / FPS
        self.angles = {name: np.zeros(count) for name in LIMITS}
        self.heading, self.stroll, self.fold, self.seated = (np.zeros(count) for _ in range(4))
        self.place_m, self.sway_m = np.zeros((count, 2)), np.zeros((count, 2))
        self.cycle = 0.95 * self.style.tempo * self.time_s + self.rng.uniform(0, 1)
        self.seat_m = np.array([0.4, 0.5])
        self.arms_free = {side: np.ones(count) for side in SIDES}
        self.feet_m = {side: np.zeros((count, 3)) for side in SIDES}

    def moments(self, least_s: float, most_s: float) -> np.ndarray:
        """As the function `moments`, at the subject's tempo."""
        return moments(self.rng, self.time_s, least_s / self.style.tempo, most_s / self.style.tempo)

    def passages(self, starts_s: np.ndarray, values: np.ndarray | Sequence[float], seconds: float) -> np.ndarray:
        """As the function `passages`, each step a little longer or shorter, at the subject's tempo."""
        lengths_s = seconds / self.style.tempo * self.rng.uniform(0.8, 1.3, len(starts_s))
        return passages(self.time_s, starts_s, np.asarray(values, dtype=np.float64), lengths_s)

    def wander(self, slowest_s: float, fastest_s: float) -> np.ndarray:
        return wander(self.rng, self.time_s, slowest_s, fastest_s)

    def stand(self, heading: float, turn: float, drift_m: float) -> None:
        """Stand about one place, turning now and then by up to `turn` radians."""
        radius_m, bearing = 0.7 * RADIUS_M * np.sqrt(self.rng.uniform()), self.rng.uniform(0, 2 * np.pi)
        middle_m = CENTRE_M + radius_m * np.array([np.cos(bearing), np.sin(bearing)])
        drift = np.stack([self.wander(14, 5), self.wander(14, 5)], -1)
        self.place_m = middle_m + drift_m * drift
        starts_s = self.moments(2.0, 4.5)
        turns = turn * self.rng.uniform(-1, 1, len(starts_s))
        self.heading = heading + self.passages(starts_s, turns, 2.0) + 0.04 * self.wander(9, 3)

    def walk(self, heading: float, speed: float, pauses: bool = False) -> None:
        """Walk round a closed, wavy curve, which starts in the direction `heading`; `speed` 1 is the subject's own."""
        rng, turns = self.rng, np.linspace(0, 2 * np.pi, 721)
        radius_m = rng.uniform(0.8, 0.95) * RADIUS_M
        waves = 1 + 0.12 * np.sin(2 * turns + rng.uniform(0, 6.28)) + 0.04 * np.sin(3 * turns + rng.uniform(0, 6.28))
        sense = 1.0 if rng.uniform() < 0.5 else -1.0
        bearing = heading - sense * np.pi / 2 + sense * turns
        curve_m = CENTRE_M + (radius_m * waves)[:, None] * np.stack([np.cos(bearing), np.sin(bearing)], -1)
        along_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve_m, axis=0), axis=-1))])
        tangent = np.gradient(curve_m, axis=0)
        facing = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))

        pace = speed * (1 + 0.08 * self.wander(7, 2.5))
        if pauses:
            starts_s = self.moments(1.5, 3.5)
            pace = pace * self.passages(starts_s, rng.choice([0.0, 0.7, 1.0, 1.0], len(starts_s)), 1.3)
        walked_m = np.cumsum(pace) * self.style.speed_m_s / FPS
        laps, rest_m = np.divmod(walked_m, along_m[-1])
        self.place_m = np.stack([np.interp(rest_m, along_m, curve_m[:, axis]) for axis in range(2)], -1)
        self.heading = np.interp(rest_m, along_m, facing) + laps * sense * 2 * np.pi
        self.stroll = np.clip(pace, 0, 1.2)
        # A slower walk has shorter and rarer steps.
        stride_m = self.style.stride * self.body.leg_m
        rate_hz = self.style.speed_m_s / stride_m * np.sqrt(np.clip(pace, 0.25, None))
        self.cycle = self.cycle[0] + np.cumsum(rate_hz) / FPS

    def gait(self) -> None:
        """What trunk and arms do in the rhythm of the legs: the left foot comes down at the start of a cycle."""
        stroll, amplitude = self.stroll, self.style.amplitude
        landing = np.cos(2 * np.pi * self.cycle)
        bearing = np.cos(2 * np.pi * (self.cycle - _MID_STANCE))  # the left leg carries
        self.angles["pelvis_roll"] += 0.045 * amplitude * stroll * bearing
        self.angles["lumbar_bend"] += 0.045 * amplitude * stroll * bearing
        twist = self._pelvis_twist()  # the pelvis turns with the legs, the trunk twice as far against it
        self.angles["lumbar_twist"] += twist
        self.angles["thoracic_twist"] += twist
        self.angles["neck_twist"] -= 0.7 * twist
        self.sway_m[:, 1] += (0.006 + 0.016 * stroll) * bearing
        for side in SIDES:
            swing = self.style.arm_swing * amplitude * self.arms_free[side] * stroll
            forward = -OUTWARD[side] * landing
            self.angles[f"{side}_shoulder_flexion"] += swing * forward
            self.angles[f"{side}_elbow_flexion"] += 0.5 * swing * (1 + forward)

    def solve(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """The take itself, without its margins.

        Returns:
            pelvis_m (T, 3) world, its heading (T,), and the angles (T,) by name, within their limits.
        """
        pelvis_heading = self.heading - self._pelvis_twist()
        angles = {name: within_limits(name, angle) for name, angle in self.angles.items()}
        pelvis = pelvis_rotation(pelvis_heading, angles)
        shift_m = self.sway_m - self.seated[:, None] * np.array([self.seat_m[0], 0.0])
        pelvis_m = np.concatenate([self.place_m + _turned(shift_m, self.heading), np.zeros((len(shift_m), 1))], -1)
        ankles, hips, highest_m = {}, {}, {}
        for side in SIDES:
            ankles[side] = self._ankles(side)
            hips[side] = hip_joint(self.body, pelvis, side)
            apart_m = np.linalg.norm((pelvis_m + hips[side] - ankles[side][0])[:, :2], axis=-1)
            length_m = (1 - self.style.knee_bend - self.fold) * self.body.leg_m
            height_m = np.sqrt(np.maximum(length_m**2 - apart_m**2, (0.3 * self.body.leg_m) ** 2))
            # A swinging leg carries nothing: where it is out of reach it swings above the floor.
            highest_m[side] = ankles[side][0][:, 2] + height_m - hips[side][:, 2] + self._swing_allowance_m(side)
        standing_m = _soft_minimum(highest_m["left"], highest_m["right"])
        pelvis_m[:, 2] = standing_m + self.seated * (self.seat_m[1] - standing_m)
        for side in SIDES:
            ankle_m, facing = ankles[side]
            pole = np.stack([np.cos(facing), np.sin(facing), np.full(len(facing), 0.5)], -1)
            target_m = pelvis.inv().apply(ankle_m - pelvis_m - hips[side])
            leg = leg_angles(self.body, target_m, pelvis.inv().apply(pole), side)
            angles |= {name: within_limits(name, angle) for name, angle in leg.items()}
        take = slice(_MARGIN_FRAMES, -_MARGIN_FRAMES)
        return pelvis_m[take], pelvis_heading[take], {name: angle[take] for name, angle in angles.items()}

    def _pelvis_twist(self) -> np.ndarray:
        """(T,) radians to the right: the pelvis follows the leg that comes down in front."""
        return 0.09 * self.style.amplitude * self.stroll * np.cos(2 * np.pi * self.cycle)

    def _ankles(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        """(T, 3) world, where an ankle goes, and (T,) where its toes point.

        A footprint lies beside the path where one is at the middle of the stance, and is left for the next one in a
        swing; a foot that goes nowhere is not lifted.
        """
        cycle = self._foot_cycle(side)
        count = np.floor(cycle)
        phase = cycle - count
        swung = smooth_step((phase - _SWING) / (1 - _SWING))
        aside_m = OUTWARD[side] * (self.style.step_width_m / 2 + 0.3 * self.body.half_pelvis_m)
        prints = []
        for step in (count, count + 1):
            at_s = np.interp(step + _MID_STANCE, cycle, self.time_s)
            heading = np.interp(at_s, self.time_s, self.heading)
            place_m = np.stack([np.interp(at_s, self.time_s, self.place_m[:, axis]) for axis in range(2)], -1)
            prints.append((place_m + _turned(np.array([0.0, aside_m]), heading), heading))
        (from_m, from_heading), (to_m, to_heading) = prints
        heading = from_heading + (to_heading - from_heading) * swung
        off_m = self.feet_m[side] * np.array([1.0, OUTWARD[side], 1.0])
        ground_m = from_m + (to_m - from_m) * swung[:, None] + _turned(off_m[:, :2], heading)
        step_m = np.linalg.norm(to_m - from_m, axis=-1) + 0.15 * np.abs(to_heading - from_heading)
        lift = np.clip((phase - 0.42) / 0.58, 0, 1)
        lift = lift**3 * (1 - lift) ** 4 * (7**7 / (3**3 * 4**4))  # 1 at its highest
        height_m = self.body.ankle_height_m + off_m[:, 2] + 0.16 * self.body.leg_m * np.tanh(2.5 * step_m) * lift
        toes = heading + OUTWARD[side] * self.style.toe_out
        return np.concatenate([ground_m, height_m[:, None]], -1), toes

    def _swing_allowance_m(self, side: str) -> np.ndarray:
        """(T,) how much higher a leg lets the pelvis rise while it swings."""
        swing = np.clip((self._foot_cycle(side) % 1 - _SWING) / (1 - _SWING), 0, 1)
        return 0.11 * self.body.leg_m * np.sin(np.pi * swing) ** 2

    def _foot_cycle(self, side: str) -> np.ndarray:
        """(T,) gait cycles of one foot, which comes down at each whole number."""
        return self.cycle + (0.0 if side == "left" else 0.5)


def _turned(vector_m: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Forward and left (T, 2) or (2,), as world x and y (T, 2) for headings (T,)."""
    forward, left = vector_m[..., 0], vector_m[..., 1]
    cosine, sine = np.cos(heading), np.sin(heading)
    return np.stack([forward * cosine - left * sine, forward * sine + left * cosine], -1)


def _soft_minimum(first_m: np.ndarray, second_m: np.ndarray, width_m: float = 0.008) -> np.ndarray:
    """The smaller of the two, rounded where they cross; never more than the smaller."""
    return -width_m * np.logaddexp(-first_m / width_m, -second_m / width_m)

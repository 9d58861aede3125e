"""What Human3.6M's fifteen actions look like: tables of arm poses and scenes, and how a take is acted from them.

A scene says for a moment what the leading and the other arm do and how the trunk goes with it. A take is a chain of
scenes, drawn with the subject's own preferences and habits, on top of a way to spend it: standing, walking, sitting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wsgcn.captures.human36m.names import ACTIONS, SUBJECTS, action_of
from wsgcn.captures.synthetic.body import ARM, BODIES, SIDES, arm_angles
from wsgcn.captures.synthetic.motion import Performance, Style

Range = tuple[float, float]

# Arm poses as degrees of shoulder flexion, abduction, rotation (outward) and elbow flexion.
ARM_POSES_DEG: Mapping[str, tuple[Range, Range, Range, Range]] = {
    "hang": ((-8, 12), (3, 14), (-25, 10), (8, 32)),
    "talk": ((5, 55), (4, 40), (-50, 20), (50, 115)),
    "offer": ((15, 60), (10, 45), (-10, 45), (30, 90)),
    "open wide": ((5, 50), (40, 85), (-10, 60), (10, 60)),
    "point ahead": ((65, 100), (-10, 30), (-20, 20), (3, 25)),
    "point aside": ((5, 50), (60, 95), (-20, 25), (3, 25)),
    "point up": ((115, 165), (0, 30), (-20, 20), (3, 35)),
    "point across": ((55, 90), (-40, -15), (-30, 10), (10, 40)),
    "point down": ((22, 50), (0, 30), (-20, 20), (3, 25)),
    "wave high": ((10, 50), (65, 95), (60, 90), (40, 90)),
    "wave low": ((0, 25), (8, 25), (-15, 30), (95, 135)),
    "shake hands": ((30, 55), (-5, 12), (-15, 10), (30, 65)),
    "carry": ((-5, 25), (4, 18), (-35, 0), (70, 105)),
    "pocket": ((-28, -10), (8, 18), (-30, -5), (35, 60)),
    "leash": ((28, 68), (-5, 22), (-20, 12), (12, 65)),
    "lap": ((18, 48), (0, 18), (-50, -8), (40, 80)),
    "lean back": ((-50, -25), (8, 28), (-20, 20), (5, 25)),
    "arm rest": ((5, 30), (15, 35), (-30, 0), (65, 100)),
    "reach ahead": ((50, 95), (-5, 25), (-30, 15), (10, 50)),
    "reach up": ((105, 150), (0, 25), (-20, 20), (15, 60)),
    "reach down": ((40, 80), (-5, 20), (-20, 10), (5, 30)),
}

# Wrists on or near the body, for a body 1.75 m tall: metres forward, outward, up from the thorax, and the elbow's way.
WRIST_PLACES_M: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "mouth": ((0.17, 0.03, 0.02), (-0.1, 0.7, -1.0)),
    "ear": ((0.13, 0.12, 0.08), (0.2, 0.6, -1.0)),
    "eyes": ((0.24, 0.06, 0.11), (0.0, 0.8, -1.0)),
    "chin": ((0.15, 0.02, -0.03), (0.1, 0.5, -1.0)),
    "plate": ((0.30, 0.03, -0.26), (-0.5, 0.8, -1.0)),
    "waist": ((0.00, 0.20, -0.42), (-0.7, 1.0, 0.0)),
    "crossed": ((0.20, -0.10, -0.20), (-0.1, 0.8, -1.0)),
    "belly": ((0.20, -0.04, -0.36), (-0.5, 0.8, -0.3)),
    "back of the head": ((-0.02, 0.11, 0.12), (0.7, 1.0, -0.2)),
    "other shoulder": ((0.16, -0.12, -0.02), (0.3, 0.2, -1.0)),
}
_SPREAD_M = 0.035  # half width of a subject's and of a moment's own place for the wrist


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A moment of an action; ranges in degrees, drawn anew each time."""

    main: str = "hang"
    other: str = "hang"
    bow: Range = (-4, 4)  # hips and trunk forward
    lean: float = 4  # trunk to either side
    twist: float = 8  # trunk to either side
    nod: Range = (-8, 10)  # neck forward
    crouch: Range = (0, 0)  # percent of the leg's length
    wave: float = 0  # the main hand's swing


@dataclass(frozen=True, kw_only=True)
class Action:
    """How a take is spent; `ways` are drawn from, for the first and the second take alike."""

    ways: tuple[Literal["stand", "walk", "pause", "chair", "floor"], ...]
    hold_s: Range
    scenes: tuple[Scene, ...]
    turn_deg: float = 50  # how far standing bodies turn about
    look_deg: float = 14  # how far the head looks about
    speed: float = 1.0  # of the subject's walk
    drift_m: float = 0.1  # how far standing bodies stray


_IDLE = (
    Scene(),
    Scene(main="crossed", other="crossed"),
    Scene(main="waist", other="waist"),
    Scene(main="pocket", other="pocket"),
    Scene(main="waist"),
    Scene(main="belly", other="belly"),
)
_WALKING = (Scene(), Scene(), Scene())

PLANS: Mapping[str, Action] = {
    "Directions": Action(
        ways=("stand",),
        hold_s=(0.9, 2.0),
        scenes=(
            Scene(main="point ahead", twist=20),
            Scene(main="point aside", twist=25, lean=8),
            Scene(main="point across", twist=30),
            Scene(main="point up", bow=(-10, 2), nod=(-25, 0)),
            Scene(main="point down", bow=(5, 22), nod=(5, 25)),
            Scene(main="point ahead", other="point aside", twist=15),
            Scene(main="hang", other="point ahead", twist=20),
            Scene(main="talk", other="waist"),
        ),
        look_deg=25,
    ),
    "Discussion": Action(
        ways=("stand",),
        hold_s=(0.6, 1.4),
        scenes=(
            Scene(main="talk", other="talk", twist=14, lean=7),
            Scene(main="talk", other="hang", twist=12),
            Scene(main="offer", other="offer", bow=(-6, 12), lean=8),
            Scene(main="open wide", other="open wide", bow=(-8, 6)),
            Scene(main="chin", other="crossed"),
            Scene(main="talk", other="waist", lean=8),
            Scene(main="crossed", other="crossed", bow=(-6, 4)),
        ),
        look_deg=22,
    ),
    "Eating": Action(
        ways=("chair",),
        hold_s=(0.8, 1.8),
        scenes=(
            Scene(main="mouth", other="plate", bow=(-2, 14), nod=(0, 22)),
            Scene(main="plate", other="plate", bow=(4, 24), nod=(5, 30)),
            Scene(main="mouth", other="lap", bow=(-2, 12), nod=(0, 20)),
            Scene(main="plate", other="lap", bow=(2, 20)),
            Scene(main="reach ahead", other="plate", bow=(8, 28), twist=18),
            Scene(main="plate", other="mouth", bow=(0, 14)),
        ),
        look_deg=12,
    ),
    "Greeting": Action(
        ways=("stand",),
        hold_s=(0.9, 2.0),
        scenes=(
            Scene(main="wave high", wave=24, lean=8),
            Scene(main="wave low", wave=20),
            Scene(main="point up", wave=16, bow=(-8, 2)),
            Scene(main="shake hands", bow=(2, 18), nod=(0, 15)),
            Scene(bow=(35, 70), nod=(0, 25)),
            Scene(main="open wide", other="open wide", bow=(-10, 2)),
            Scene(main="belly", other="belly", bow=(20, 50), nod=(0, 25)),
            Scene(),
        ),
        turn_deg=90,
    ),
    "Phoning": Action(
        ways=("chair", "stand", "pause", "chair"),
        hold_s=(1.2, 3.0),
        scenes=(
            Scene(main="ear", nod=(-5, 15), lean=7),
            Scene(main="ear", other="waist", lean=7),
            Scene(main="ear", other="talk", twist=14),
            Scene(main="ear", other="crossed", bow=(0, 14), nod=(5, 20)),
            Scene(main="ear", other="lap", bow=(-5, 20), nod=(0, 22)),
        ),
        look_deg=14,
        speed=0.75,
    ),
    "Photo": Action(
        ways=("stand",),
        hold_s=(1.2, 2.6),
        scenes=(
            Scene(main="eyes", other="eyes", bow=(-4, 10), nod=(-6, 8)),
            Scene(main="eyes", other="eyes", bow=(10, 35), nod=(-15, 5), crouch=(4, 14), lean=10),
            Scene(main="eyes", other="eyes", bow=(5, 25), nod=(-20, 0), crouch=(25, 45)),
            Scene(main="eyes", other="eyes", bow=(-14, -2), nod=(-25, -5), twist=20),
            Scene(main="belly", other="belly", nod=(15, 35)),
            Scene(main="eyes", other="hang", twist=12),
        ),
        turn_deg=50,
        look_deg=5,
    ),
    "Posing": Action(
        ways=("stand",),
        hold_s=(1.0, 2.2),
        scenes=(
            Scene(main="waist", other="waist", twist=25, lean=12),
            Scene(main="back of the head", other="waist", lean=16, bow=(-12, 4)),
            Scene(main="back of the head", other="back of the head", bow=(-14, 4), lean=10),
            Scene(main="point up", other="waist", lean=14),
            Scene(main="open wide", other="open wide", lean=12, twist=20),
            Scene(main="crossed", other="crossed", twist=22, bow=(-8, 8)),
            Scene(main="other shoulder", other="waist", twist=20),
            Scene(main="chin", other="crossed", lean=8),
            Scene(main="pocket", other="hang", lean=10, twist=18),
            Scene(main="waist", other="point aside", crouch=(4, 16), lean=14),
        ),
        turn_deg=90,
        look_deg=28,
    ),
    "Purchases": Action(
        ways=("stand", "pause"),
        hold_s=(0.9, 2.0),
        scenes=(
            Scene(main="reach ahead", twist=18, bow=(0, 18)),
            Scene(main="reach up", bow=(-10, 6), nod=(-28, -5), twist=14),
            Scene(main="reach down", bow=(40, 75), nod=(-10, 15), crouch=(2, 12)),
            Scene(main="reach down", bow=(22, 45), nod=(0, 15), crouch=(25, 45)),
            Scene(main="carry", other="carry", nod=(10, 30)),
            Scene(main="carry", other="hang", twist=12),
            Scene(main="reach ahead", other="reach ahead", bow=(5, 30)),
            Scene(main="pocket", other="carry", lean=8),
        ),
        turn_deg=50,
        look_deg=18,
        speed=0.7,
    ),
    "Sitting": Action(
        ways=("chair",),
        hold_s=(1.0, 2.6),
        scenes=(
            Scene(main="lap", other="lap", bow=(-14, 12)),
            Scene(main="crossed", other="crossed", bow=(-16, 6)),
            Scene(main="chin", other="lap", bow=(10, 38), nod=(-10, 12), lean=8),
            Scene(main="arm rest", other="arm rest", bow=(-18, 0)),
            Scene(main="back of the head", other="back of the head", bow=(-20, -4)),
            Scene(main="talk", other="lap", twist=20),
            Scene(main="reach down", other="lap", bow=(30, 60), nod=(-10, 15)),
            Scene(main="lean back", other="lap", twist=20, bow=(-18, 2)),
        ),
        look_deg=24,
    ),
    "SittingDown": Action(
        ways=("floor",),
        hold_s=(1.0, 2.2),
        scenes=(
            Scene(main="lean back", other="lean back", bow=(-12, 6)),
            Scene(main="lean back", other="lap", bow=(-8, 10), twist=14),
            Scene(main="reach ahead", other="reach ahead", bow=(6, 32)),
            Scene(main="lap", other="lap", bow=(0, 24)),
            Scene(main="talk", other="lean back", twist=16),
            Scene(main="hang", other="reach ahead", bow=(4, 24)),
        ),
        turn_deg=20,
        look_deg=18,
    ),
    "Smoking": Action(
        ways=("chair", "stand", "chair"),
        hold_s=(0.9, 2.2),
        scenes=(
            Scene(main="mouth", other="crossed", nod=(-10, 10)),
            Scene(main="mouth", other="lap", bow=(-8, 16), nod=(-5, 15)),
            Scene(main="mouth", nod=(-15, 8)),
            Scene(main="arm rest", other="lap", bow=(-12, 12), twist=12),
            Scene(main="wave low", other="belly", bow=(-8, 8)),
            Scene(main="lap", other="crossed", bow=(0, 24)),
        ),
        look_deg=22,
    ),
    "Waiting": Action(
        ways=("stand", "stand", "chair"),
        hold_s=(1.2, 3.0),
        scenes=(*_IDLE, Scene(main="wave low", other="hang", nod=(15, 35))),
        turn_deg=70,
        look_deg=32,
    ),
    "WalkDog": Action(
        ways=("walk", "pause"),
        hold_s=(1.2, 2.6),
        scenes=(
            Scene(main="leash", bow=(0, 14), nod=(0, 20)),
            Scene(main="leash", other="talk", bow=(0, 10)),
            Scene(main="leash", bow=(20, 45), nod=(-5, 15), crouch=(2, 10), twist=12),
            Scene(main="leash", bow=(-14, 0), twist=16),
            Scene(main="reach down", bow=(30, 60), crouch=(8, 20)),
        ),
        look_deg=18,
        speed=0.85,
    ),
    "Walking": Action(
        ways=("walk",),
        hold_s=(2.0, 4.0),
        scenes=(*_WALKING, Scene(main="pocket", other="hang"), Scene(main="talk", other="hang", twist=4)),
        look_deg=10,
    ),
    "WalkTogether": Action(
        ways=("walk",),
        hold_s=(1.2, 2.6),
        scenes=(
            *_WALKING,
            Scene(main="talk", twist=16),
            Scene(main="talk", other="talk"),
            Scene(main="pocket", other="pocket"),
            Scene(main="hang", other="point aside", twist=14),
        ),
        look_deg=38,
        speed=0.8,
    ),
}
assert tuple(PLANS) == ACTIONS


def act(subject: str, take: str, frames: int, seed: int) -> Performance:
    """A take, acted out; see `wsgcn.captures.synthetic.synthesise_take`."""
    number, name = SUBJECTS.index(subject), action_of(take)
    action, repeat = ACTIONS.index(name), int(take != name)
    own = np.random.default_rng([seed, number])  # the subject's, the same in all its takes
    style, habits = Style.draw(own), _Habits(own)
    rng = np.random.default_rng([seed, number, action, repeat])
    performance = Performance(BODIES[subject], style, rng, frames)
    plan = PLANS[name]
    # Golden-angle steps face all ways alike, over the takes of one subject and over the subjects of one take.
    heading = 2 * np.pi * 0.381966 * (2 * action + repeat) + 2 * np.pi * number / len(SUBJECTS)
    way = plan.ways[rng.integers(len(plan.ways))]
    _spend(performance, plan, way, heading)
    _idle(performance, plan, seated=way in ("chair", "floor"))
    _play(performance, name, habits, on_floor=way == "floor")
    performance.gait()
    return performance


class _Habits:
    """A subject's own choice among the scenes, and its own place within the range of each arm pose."""

    def __init__(self, own: np.random.Generator) -> None:
        self.place = {name: own.uniform(0.1, 0.9, 4) for name in ARM_POSES_DEG}
        self.offset_m = {name: own.uniform(-_SPREAD_M, _SPREAD_M, 3) for name in WRIST_PLACES_M}
        self.liking = {name: own.uniform(0.15, 1.0, len(action.scenes)) for name, action in PLANS.items()}

    def arm(self, performance: Performance, name: str, side: str) -> np.ndarray:
        """(4,) radians, `ARM`: the named pose as this subject takes it this time."""
        rng, body = performance.rng, performance.body
        if name in WRIST_PLACES_M:
            wrist_m, pole = (np.array(part) for part in WRIST_PLACES_M[name])
            wrist_m = wrist_m + self.offset_m[name] + rng.uniform(-_SPREAD_M, _SPREAD_M, 3)
            wrist_m = wrist_m * (body.trunk_m + body.neck_m) / 0.65
            return arm_angles(body, wrist_m[None], pole[None] + rng.uniform(-0.2, 0.2, (1, 3)), side)[0]
        low, high = np.radians(np.array(ARM_POSES_DEG[name]).T)
        return low + (high - low) * (0.5 * self.place[name] + 0.5 * rng.uniform(0, 1, 4))


def _spend(performance: Performance, plan: Action, way: str, heading: float) -> None:
    """Where the body goes: standing, walking, on a chair, or down to the floor."""
    rng, body = performance.rng, performance.body
    match way:
        case "stand":
            performance.stand(heading, np.radians(plan.turn_deg), plan.drift_m)
        case "walk" | "pause":
            performance.walk(heading, plan.speed, pauses=way == "pause")
        case "chair" | "floor":
            performance.stand(heading, 0.0, 0.0)
            starts_s = performance.moments(2.2, 4.5)
            spell = np.arange(len(starts_s)) + rng.integers(3)
            # On the floor one gets up again and again; from a chair rarely.
            sits = spell % 3 > 0 if way == "floor" or rng.uniform() < 0.3 else np.ones(len(starts_s))
            performance.seated = performance.passages(starts_s, sits, 1.4)
            # On the way one leans forward, to keep the weight over the feet.
            rising = 4 * performance.seated * (1 - performance.seated)
            performance.angles["pelvis_pitch"] += 0.4 * rising
            performance.angles["lumbar_flexion"] += 0.3 * rising
            if way == "chair":
                performance.seat_m = np.array([0.9 * body.thigh_m, rng.uniform(0.46, 0.56)])
                performance.angles["pelvis_pitch"] -= rng.uniform(0.0, 0.25) * performance.seated
            else:
                performance.seat_m = np.array([rng.uniform(0.55, 0.75) * body.leg_m, rng.uniform(0.10, 0.16)])
                performance.angles["pelvis_pitch"] -= rng.uniform(0.35, 0.55) * performance.seated
                performance.angles["lumbar_flexion"] += rng.uniform(0.15, 0.4) * performance.seated
            _rest_feet(performance, way)


def _rest_feet(performance: Performance, way: str) -> None:
    """Seated feet move about, and in a chair one leg may lie over the other."""
    rng, leg_m = performance.rng, performance.body.leg_m
    crossing = way == "chair" and rng.uniform() < 0.35
    for side in SIDES:
        starts_s = performance.moments(1.5, 4.0)
        forward = (-0.14, 0.22) if way == "chair" else (-0.12, 0.12)
        places_m = leg_m * np.stack(
            [rng.uniform(*range_, len(starts_s)) for range_ in (forward, (-0.04, 0.14), (0.0, 0.02))], -1
        )
        performance.feet_m[side] += performance.seated[:, None] * performance.passages(starts_s, places_m, 0.9)
    if crossing:
        side = SIDES[rng.integers(2)]
        starts_s = performance.moments(2.0, 5.0)
        over = performance.passages(starts_s, rng.uniform(0, 1, len(starts_s)) < 0.7, 1.1) * performance.seated**4
        lifted_m = leg_m * np.array([rng.uniform(0.0, 0.15), -rng.uniform(0.18, 0.3), rng.uniform(0.25, 0.38)])
        feet_m = performance.feet_m[side]
        performance.feet_m[side] = feet_m + over[:, None] * (lifted_m - feet_m)


def _idle(performance: Performance, plan: Action, seated: bool) -> None:
    """A living body never keeps still: posture, weight shifts, glances and small movements of every joint."""
    style, angles, calm = performance.style, performance.angles, 0.5 if seated else 1.0
    for name, posture in style.posture.items():
        size = np.radians(1.6 if name.startswith(("pelvis", "lumbar")) else 2.6)
        angles[name] += posture + style.restlessness * calm * size * performance.wander(8, 1.6)
    angles["neck_twist"] += np.radians(plan.look_deg) * performance.wander(7, 1.8)
    angles["neck_flexion"] += np.radians(4 + 0.2 * plan.look_deg) * performance.wander(7, 1.8)
    for side in SIDES:
        angles[f"{side}_girdle_elevation"] += np.radians(-4 + 2 * performance.wander(7, 1.5))
        angles[f"{side}_girdle_protraction"] += np.radians(3 + 3 * performance.wander(7, 1.5))
        for name, size_deg in zip(ARM, (3.0, 2.0, 4.0, 4.0), strict=True):
            size = style.restlessness * np.radians(size_deg)
            angles[f"{side}_{name}"] += size * performance.wander(6, 1.2)
    performance.sway_m[:, 0] += 0.03 + 0.012 * performance.wander(8, 2)
    standing = (1 - performance.seated) * (1 - np.clip(performance.stroll, 0, 1))
    shift = np.tanh(1.5 * performance.wander(9, 3)) * standing * style.restlessness  # the weight on one leg
    performance.sway_m[:, 1] += 0.035 * shift
    angles["pelvis_roll"] += 0.05 * shift
    angles["lumbar_bend"] += 0.05 * shift


def _play(performance: Performance, name: str, habits: _Habits, on_floor: bool) -> None:
    """The chain of scenes of the action of that name."""
    rng, angles, plan = performance.rng, performance.angles, PLANS[name]
    starts_s = performance.moments(*plan.hold_s)
    liking = habits.liking[name]
    drawn = rng.choice(len(plan.scenes), len(starts_s), p=liking / liking.sum())
    scenes = [plan.scenes[index] for index in drawn]
    main = "right" if rng.uniform() < performance.style.right_handed else "left"
    amplitude = performance.style.amplitude

    for side in SIDES:
        names = [scene.main if side == main else scene.other for scene in scenes]
        poses = np.stack([habits.arm(performance, pose, side) for pose in names])
        lag_s = rng.uniform(-0.15, 0.15)
        pose_T4 = performance.passages(starts_s + lag_s, poses, 0.75)
        for index, angle in enumerate(ARM):
            angles[f"{side}_{angle}"] += pose_T4[:, index]
        free = [1.0 if pose == "hang" else 0.2 for pose in names]
        performance.arms_free[side] = performance.passages(starts_s + lag_s, free, 0.75)
        # A raised arm takes the shoulder along.
        raised = np.clip(np.abs(pose_T4[:, 0]) + np.clip(pose_T4[:, 1], 0, None) - np.radians(50), 0, None)
        angles[f"{side}_girdle_elevation"] += 0.2 * raised

    def drawn_rad(ranges_deg: list[Range]) -> np.ndarray:
        values = np.array([rng.uniform(*range_deg) for range_deg in ranges_deg])
        return np.radians(performance.passages(starts_s, values, 0.85))

    bow = drawn_rad([scene.bow for scene in scenes])
    # Knees drawn up hold the hips back.
    angles["pelvis_pitch"] += 0.4 * bow * (1 - on_floor * performance.seated)
    angles["lumbar_flexion"] += 0.35 * bow
    angles["thoracic_flexion"] += 0.25 * bow
    performance.sway_m[:, 0] -= 0.14 * np.clip(bow, 0, None) * (1 - performance.seated)
    angles["neck_flexion"] += drawn_rad([scene.nod for scene in scenes]) - 0.3 * bow
    lean = amplitude * drawn_rad([(-scene.lean, scene.lean) for scene in scenes])
    twist = amplitude * drawn_rad([(-scene.twist, scene.twist) for scene in scenes])
    for segment in ("lumbar", "thoracic"):
        angles[f"{segment}_bend"] += 0.5 * lean
        angles[f"{segment}_twist"] += 0.5 * twist
    crouch = np.array([rng.uniform(*scene.crouch) for scene in scenes]) / 100
    performance.fold += performance.passages(starts_s, crouch, 1.0)
    waves = np.radians(performance.passages(starts_s, [scene.wave for scene in scenes], 0.6))
    swing = waves * np.sin(2 * np.pi * 2.0 * performance.style.tempo * performance.time_s)
    angles[f"{main}_shoulder_rotation"] += swing
    angles[f"{main}_elbow_flexion"] += 0.5 * swing

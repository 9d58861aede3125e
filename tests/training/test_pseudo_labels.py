import numpy as np
import torch

from tests.tiny import tiny_positions_m
from wsgcn.captures.human36m.cameras import human36m_cameras
from wsgcn.pose.camera import root_normal_inverse, solve_root
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.training import pseudo_labels
from wsgcn.training.pseudo_labels import consistent_depths, rays, stand_at_heights, symmetric_lengths, triangulate

BONE_SD_M, DEPTH_SD_M = 0.01, 0.1


def people(frames=300, seed=0):
    """One body in many poses, in the camera frame: joints (N, J, 3), and the bones' lengths (E,), float64."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(0.15, 0.45, len(H36M16.joints))
    lengths = np.minimum(lengths, lengths[list(H36M16.mirror)])
    directions = rng.normal(size=(frames, len(lengths), 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    positions = np.zeros((frames, len(lengths), 3))
    for child, parent in H36M16.bones:
        positions[:, child] = positions[:, parent] + lengths[child] * directions[:, child]
    positions[..., 2] += 5
    return torch.tensor(positions), torch.tensor(lengths[1:])


def everybody(frames):
    return torch.zeros(frames, dtype=torch.long)


def world_poses(frames):
    joints = H36M16.indices_in(H36M17.joints, "")
    return torch.tensor(tiny_positions_m("S1", "Eating", frames)[:, joints].astype(np.float64))


def test_the_truth_stays_as_it_is():
    truth, lengths = people()
    uv = truth[..., :2] / truth[..., 2:]
    relative = truth - truth[:, :1]
    depth = solve_root(relative, uv, torch.tensor(root_normal_inverse(uv.numpy())))[:, 2:] + relative[..., 2]
    torch.testing.assert_close(depth[..., None] * rays(uv), truth)
    torch.testing.assert_close(symmetric_lengths(truth, everybody(300), 1, H36M16)[0], lengths)
    kept = consistent_depths(depth, uv, everybody(300), 1, H36M16, BONE_SD_M, DEPTH_SD_M)
    torch.testing.assert_close(kept, depth)


def test_neither_the_number_of_threads_nor_the_parts_change_a_bit(monkeypatch):
    truth, _ = people(300)
    uv = truth[..., :2] / truth[..., 2:]
    noisy = truth[..., 2] + 0.05 * torch.randn(truth.shape[:2], generator=torch.Generator().manual_seed(0)).double()
    before, found = torch.get_num_threads(), []
    try:
        for number, frames in ((1, 1000), (1, 64), (2, 64), (3, 64)):
            torch.set_num_threads(number)
            monkeypatch.setattr(pseudo_labels, "_FRAMES", frames)
            found.append(consistent_depths(noisy, uv, everybody(300), 1, H36M16, BONE_SD_M, DEPTH_SD_M))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_a_third_of_the_noise_in_the_depths_goes_and_the_bones_keep_their_lengths():
    truth, _ = people()
    uv = truth[..., :2] / truth[..., 2:]
    generator = torch.Generator().manual_seed(0)
    sd_N = 0.01 + 0.06 * torch.rand(300, 1, generator=generator, dtype=torch.float64)
    noisy = truth[..., 2] + sd_N * torch.randn(truth.shape[:2], generator=generator, dtype=torch.float64)
    better = consistent_depths(noisy, uv, everybody(300), 1, H36M16, BONE_SD_M, DEPTH_SD_M)

    def error(depth):
        return ((depth - depth[:, :1]) - (truth[..., 2] - truth[:, :1, 2])).abs().mean()

    def spread(depth):
        joints = depth[..., None] * rays(uv)
        bones = torch.stack([(joints[:, child] - joints[:, parent]).norm(dim=-1) for child, parent in H36M16.bones])
        return bones.std(dim=1).mean()

    assert error(better) < 0.65 * error(noisy)
    assert spread(better) < 0.3 * spread(noisy)


def test_each_frame_is_fitted_by_itself_once_the_lengths_are_known(monkeypatch):
    """A frame's depths are the minimum of the stated sum: moving any of them by 1 cm makes it more."""
    truth, _ = people(frames=40)
    uv = truth[..., :2] / truth[..., 2:]
    noisy = truth[..., 2] + 0.03 * torch.randn(truth.shape[:2], generator=torch.Generator().manual_seed(1)).double()
    found = consistent_depths(noisy, uv, everybody(40), 1, H36M16, BONE_SD_M, DEPTH_SD_M)

    # The lengths of the last round are those of the depths before it: the same call with one round less.
    monkeypatch.setattr(pseudo_labels, "_ROUNDS", pseudo_labels._ROUNDS[:-1])
    before = consistent_depths(noisy, uv, everybody(40), 1, H36M16, BONE_SD_M, DEPTH_SD_M)
    lengths = symmetric_lengths(before[..., None] * rays(uv), everybody(40), 1, H36M16)[0]

    def misfit(depth, frame):
        joints = depth[:, None] * rays(uv[frame])
        total = ((depth[0] - noisy[frame, 0]) / 0.5) ** 2
        for joint in range(1, 16):
            total += (((depth[joint] - depth[0]) - (noisy[frame, joint] - noisy[frame, 0])) / DEPTH_SD_M) ** 2
        for bone, (child, parent) in enumerate(H36M16.bones):
            total += (((joints[child] - joints[parent]).norm() - lengths[bone]) / BONE_SD_M) ** 2
        return total

    for frame in (0, 7, 39):
        least = misfit(found[frame], frame)
        for joint in range(16):
            for move in (-0.01, 0.01):
                moved = found[frame].clone()
                moved[joint] += move
                assert misfit(moved, frame) > least


def test_two_people_keep_their_own_lengths():
    (first, lengths_first), (second, lengths_second) = people(seed=1), people(seed=2)
    person = torch.arange(2).repeat_interleave(len(first))
    lengths = symmetric_lengths(torch.cat((first, second)), person, 2, H36M16)
    torch.testing.assert_close(lengths, torch.stack((lengths_first, lengths_second)))


def test_a_quarter_of_failed_frames_does_not_move_the_lengths():
    truth, lengths = people()
    failed = truth.clone()
    failed[:70] *= 3
    torch.testing.assert_close(symmetric_lengths(failed, everybody(300), 1, H36M16)[0], lengths)


def test_left_and_right_have_one_length():
    positions = people()[0] + 0.02 * torch.randn(300, 16, 3, generator=torch.Generator().manual_seed(0))
    lengths = symmetric_lengths(positions, everybody(300), 1, H36M16)[0]
    image = [joint - 1 for joint in H36M16.mirror[1:]]
    assert torch.equal(lengths, lengths[image])
    assert len(lengths.unique()) == len(set(map(frozenset, enumerate(image))))


def test_triangulation_finds_the_point_that_all_views_see():
    cameras = list(human36m_cameras()["S1"].values())
    world = world_poses(20)
    rotation = torch.stack([torch.tensor(camera.rotation) for camera in cameras])[:, None].expand(-1, 20, -1, -1)
    place = torch.tensor([camera.translation_m for camera in cameras], dtype=torch.float64)[:, None].expand(-1, 20, -1)
    seen = (world - place[:, :, None]) @ rotation.mT
    torch.testing.assert_close(triangulate(seen[..., :2] / seen[..., 2:], rotation, place), world)


def test_triangulation_of_views_that_disagree_is_the_point_nearest_to_their_rays():
    """Two cameras on the x axis look along y; their rays at one joint pass each other 2 cm apart in height."""
    rotation = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=torch.float64).expand(2, 1, 3, 3)
    place = torch.tensor([[[-1.0, 0, 0]], [[1.0, 0, 0]]], dtype=torch.float64)
    uv = torch.tensor([[[[0.5, -0.005]]], [[[-0.5, 0.005]]]], dtype=torch.float64)
    found = triangulate(uv, rotation, place)[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 2, 0], dtype=torch.float64), atol=3e-4, rtol=0)


def test_the_lowest_joint_stands_at_the_height_given_and_the_pose_keeps_its_form():
    world = world_poses(20)
    lowest = torch.linspace(0, 0.2, 20, dtype=torch.float64)
    stood = stand_at_heights(world[:, None], lowest[:, None])[:, 0]
    torch.testing.assert_close(stood[..., 2].amin(1), lowest)
    torch.testing.assert_close(stood - stood[:, :1], world - world[:, :1])
    assert torch.equal(stood[..., :2], world[..., :2])

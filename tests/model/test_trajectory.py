"""The network that says where a person stands: what it sees, what it begins with, how large it is."""

import pytest
import torch

from wsgcn.model.context import ALONE, Context
from wsgcn.model.networks import count_parameters
from wsgcn.model.person import FOCAL
from wsgcn.model.temporal import context
from wsgcn.model.trajectory import Trajectory, build_trajectory
from wsgcn.pose.skeleton import H36M16, H36M17

CONTEXTS = [context(frames, causal=causal) for frames in (1, 9, 27, 81, 243) for causal in (False, True)]


def keypoints(count: int, seen: Context, seed: int = 0) -> torch.Tensor:
    """People in the picture: (B, J, 2), or windows (B, T, J, 2)."""
    shape = (count, seen.frames, 16, 2) if seen else (count, 16, 2)
    return 0.2 + 0.15 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def moved(seen: Context) -> Trajectory:
    """One whose last layer is not zero."""
    network = build_trajectory(H36M16, seen, seed=0)
    with torch.no_grad():
        network.last.weight += 10 * torch.randn(network.last.weight.shape, generator=torch.Generator().manual_seed(1))
    return network


@pytest.mark.parametrize("seen", CONTEXTS, ids=str)
def test_it_gives_a_root_for_each_pose_and_is_small(seen: Context) -> None:
    assert moved(seen)(keypoints(5, seen)).shape == (5, 3)
    assert count_parameters(build_trajectory(H36M17, seen)) < 300_000


def test_its_size_is_the_one_that_is_told() -> None:
    sizes = [count_parameters(build_trajectory(H36M16, seen)) for seen in (ALONE, Context(121, 121))]
    assert all(f"{size:,} " in (Trajectory.__doc__ or "") for size in sizes)


def test_it_begins_where_a_person_of_usual_size_would_stand() -> None:
    seen_BJ2 = keypoints(4, ALONE)
    for pose_J2, root_3 in zip(seen_BJ2, build_trajectory(H36M16, ALONE, seed=0)(seen_BJ2), strict=True):
        centre_2 = pose_J2.mean(0)
        squares = [(pose_J2[child] - pose_J2[parent]).square().sum() for child, parent in H36M16.bones]
        depth_m = FOCAL * 0.3 / torch.stack(squares).mean().sqrt()
        expected_3 = depth_m * torch.tensor([centre_2[0] / FOCAL, centre_2[1] / FOCAL, 1.0])
        torch.testing.assert_close(root_3, expected_3)


@pytest.mark.parametrize("seen", [ALONE, Context(4, 4)], ids=str)
def test_it_is_a_function_of_each_pose_by_itself_in_both_modes(seen: Context) -> None:
    network, of_all = moved(seen), keypoints(6, seen)
    together_B3 = network.train()(of_all)
    torch.testing.assert_close(network(of_all[2:3]), together_B3[2:3], rtol=1e-5, atol=1e-5)
    assert torch.equal(network.eval()(of_all), together_B3)


@pytest.mark.parametrize("seen", [c for c in CONTEXTS if c.frames in (9, 27)], ids=str)
def test_it_sees_every_frame_of_a_window(seen: Context) -> None:
    window_1TJ2 = keypoints(1, seen).requires_grad_()
    moved(seen)(window_1TJ2).sum().backward()
    assert window_1TJ2.grad is not None
    assert (window_1TJ2.grad.abs().amax((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("seen", [Context(4, 4), Context(8)], ids=str)
def test_the_lifted_frame_alone_says_where_it_begins(seen: Context) -> None:
    network, window_BTJ2 = build_trajectory(H36M16, seen, seed=0), keypoints(3, seen)
    single = build_trajectory(H36M16, ALONE, seed=0)
    assert torch.equal(network(window_BTJ2), single(window_BTJ2[:, seen.before]))


def test_a_person_without_extent_is_far_away_and_not_nowhere() -> None:
    network, point_1J2 = moved(ALONE), torch.full((1, 16, 2), 0.3)
    assert torch.isfinite(network(point_1J2)).all()


def test_the_seed_alone_decides_on_its_weights() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build_trajectory(H36M16, ALONE, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)

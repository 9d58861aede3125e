"""A network that sees the person centred: place and size in the picture change nothing but the turn of its pose."""

import numpy as np
import torch
from torch import nn

from tests.tiny import tiny_params
from wsgcn.model.networks import build_network, describe_network
from wsgcn.model.person import FOCAL, PersonCentred, towards
from wsgcn.pose.camera import project
from wsgcn.pose.skeleton import H36M16


class Keeping(nn.Module):
    """Gives one pose, and keeps what it was given."""

    def forward(self, keypoints_BJ2):
        self.seen = keypoints_BJ2
        return torch.cat((keypoints_BJ2, keypoints_BJ2[..., :1]), dim=-1)


def keypoints(count=5):
    return torch.randn(count, 16, 2, generator=torch.Generator().manual_seed(0))


def test_place_and_size_in_the_picture_are_taken_out():
    inner = Keeping()
    network = PersonCentred(inner)
    network(keypoints())
    first = inner.seen
    network(0.3 * keypoints() + torch.tensor([0.4, -0.2]))
    torch.testing.assert_close(inner.seen, first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.mean(1), torch.zeros(5, 2), rtol=0, atol=1e-6)
    torch.testing.assert_close(first.square().mean((1, 2)), torch.ones(5))


def test_joints_at_one_point_give_finite_numbers():
    assert PersonCentred(Keeping())(torch.zeros(2, 16, 2)).isfinite().all()


def test_the_turn_takes_the_optical_axis_to_the_ray_and_is_a_rotation():
    uv = torch.tensor([[0.0, 0.0], [0.3, -0.1], [-0.5, 0.4]], dtype=torch.float64)
    turn = towards(uv)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(3, dtype=torch.float64))
    ray = turn[:, :, 2]
    torch.testing.assert_close(ray[:, :2] / ray[:, 2:], uv)
    assert torch.equal(turn[0], torch.eye(3, dtype=torch.float64))


def test_a_camera_of_that_focal_length_turned_away_sees_the_same_person_turned():
    """Somebody far away: seen centred, and by the same camera turned by 10 degrees, the answers are one pose turned."""
    generator = torch.Generator().manual_seed(2)
    pose = 0.3 * torch.randn(1, 16, 3, generator=generator, dtype=torch.float64)
    pose -= pose.mean(1, keepdim=True)
    root = torch.tensor([0.0, 0.0, 60.0], dtype=torch.float64)
    camera = torch.tensor([[FOCAL, FOCAL] + [0.0] * 7], dtype=torch.float64)
    turn = towards(torch.tensor([[np.tan(np.radians(10)), 0.0]], dtype=torch.float64))
    network = PersonCentred(Keeping())
    straight = network(project(pose + root, camera))
    turned = network(project((pose + root) @ turn.mT, camera))
    torch.testing.assert_close(turned, straight @ turn.mT, rtol=0, atol=0.03)
    assert (turned - straight).abs().max() > 0.1


def test_the_parameters_choose_it_and_the_description_says_so():
    params = tiny_params(model__sees="person")
    network = build_network(H36M16, params.model, seed=0)
    assert isinstance(network, PersonCentred)
    plain = build_network(H36M16, tiny_params().model, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), plain.parameters(), strict=True))
    assert describe_network(params.model).endswith("sees the person centred")

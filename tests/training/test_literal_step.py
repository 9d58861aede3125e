"""The training step against the published one as benchmarks/literal.py writes it down."""

from contextlib import nullcontext

import pytest
import torch

from benchmarks.literal import LabelledPoses, LiteralTraining, UnlabelledPoses
from tests.tiny import tiny_params
from wsgcn.model.cpu.door import plain_layers
from wsgcn.model.networks import build_network
from wsgcn.model.semgcn import SemGCN
from wsgcn.pose.skeleton import H36M16
from wsgcn.training.losses import bone_ends, loss_weights
from wsgcn.training.sets import LabelledSet, Sets, TrueRootSource, UnlabelledSet
from wsgcn.training.trainer import Trainer

BATCH, JOINTS = 37, 16


@pytest.mark.parametrize("is_weak", [False, True], ids=["warm-up", "weak"])
@pytest.mark.parametrize("is_fused", [True, False], ids=["fused", "plain"])
def test_a_step_leaves_the_loss_and_the_gradient_of_the_published_one(is_weak, is_fused):
    batches = {"training__batch_labelled": BATCH, "training__batch_unlabelled": BATCH}
    params = tiny_params(model__semgcn__channels=16, model__semgcn__blocks=2, **batches)
    settings = params.training
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    # Each set is one batch, so that the order of the poses does not matter.
    labelled = LabelledSet(normal(BATCH, JOINTS, 2), normal(BATCH, JOINTS, 3))
    roots_m = torch.tensor([0.0, 0.0, 5.0]) + normal(BATCH, 3)
    intrinsics_K9 = torch.tensor([[2.29, 2.28, 0.02, 0.03, -0.2, 0.24, 0.01, -0.001, 0.002], [2.3] * 2 + [0.01] * 7])
    unlabelled = UnlabelledSet(
        normal(BATCH, JOINTS, 2), torch.arange(BATCH) % 2, intrinsics_K9, TrueRootSource(roots_m)
    )

    network, of_literal = (build_network(H36M16, params.model, seed=0) for _ in range(2))
    assert isinstance(of_literal, SemGCN)
    literal_unlabelled = UnlabelledPoses(
        unlabelled.keypoints_NJ2.numpy(), roots_m.numpy(), intrinsics_K9[unlabelled.camera_N].numpy()
    )
    literal = LiteralTraining(
        of_literal,
        H36M16,
        settings,
        LabelledPoses(labelled.keypoints_NJ2.numpy(), labelled.pose_NJ3.numpy()),
        literal_unlabelled if is_weak else None,
    )
    batch = (labelled.keypoints_NJ2, labelled.pose_NJ3)
    unlabelled_batch = (unlabelled.keypoints_NJ2, roots_m, intrinsics_K9[unlabelled.camera_N]) if is_weak else None
    of_literal.train()
    expected = literal.loss(batch, unlabelled_batch).item()
    for module in of_literal.modules():  # the loss above has moved them
        if isinstance(module, torch.nn.BatchNorm1d):
            module.reset_running_stats()
    literal.run(1)

    weights = loss_weights(settings, params.weak if is_weak else None)
    assert set(weights.values()) == {1.0}
    ends_2EJ = bone_ends(torch.tensor(H36M16.bones), JOINTS)
    sets = Sets(labelled, unlabelled if is_weak else None, None, ends_2EJ, steps_per_epoch=1)
    with nullcontext() if is_fused else plain_layers():
        means = Trainer.start(network, settings, 0, sets, weights).run_epoch()

    assert means["total"] == pytest.approx(expected, rel=1e-5)
    if is_fused:  # its step clips what it takes and leaves the gradient as it is
        torch.nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
    expected_gradients = {name: parameter.grad for name, parameter in of_literal.named_parameters()}
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, expected_gradients[name], rtol=1e-3, atol=2e-6, msg=name)
    for name, buffer in network.named_buffers():
        if "running" in name:
            torch.testing.assert_close(buffer, of_literal.get_buffer(name), rtol=1e-4, atol=1e-6, msg=name)

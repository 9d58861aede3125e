"""The training step against the published one as benchmarks/literal.py writes it down."""

from unittest.mock import patch

import pytest
import torch

from benchmarks.literal import LabelledPoses, LiteralTraining, UnlabelledPoses
from wsgcn.model.network import SemGCN, build_network
from wsgcn.pose.skeleton import H36M16
from wsgcn.running.params import read_params
from wsgcn.training.sets import LabelledSet, TrueRoots, UnlabelledSet
from wsgcn.training.stages import Trainer
from wsgcn.training.step import Weights

BATCH, JOINTS = 37, 16


@pytest.mark.parametrize("is_weak", [False, True], ids=["warm-up", "weak"])
@pytest.mark.parametrize("is_fused", [True, False], ids=["fused", "plain"])
def test_a_step_leaves_the_loss_and_the_gradient_of_the_published_one(is_weak, is_fused):
    params = read_params()
    settings = params.training.model_copy(update={"batch_labelled": BATCH, "batch_unlabelled": BATCH})
    model = params.model.model_copy(update={"channels": 16, "blocks": 2})
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    # Each set is one batch, so that the order of the poses does not matter.
    labelled = LabelledSet(normal(BATCH, JOINTS, 2), normal(BATCH, JOINTS, 3))
    roots_m = torch.tensor([0.0, 0.0, 5.0]) + normal(BATCH, 3)
    intrinsics_K9 = torch.tensor([[2.29, 2.28, 0.02, 0.03, -0.2, 0.24, 0.01, -0.001, 0.002], [2.3] * 2 + [0.01] * 7])
    unlabelled = UnlabelledSet(normal(BATCH, JOINTS, 2), torch.arange(BATCH) % 2, intrinsics_K9, TrueRoots(roots_m))

    network, of_literal = (build_network(H36M16, model, seed=0) for _ in range(2))
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

    weights = Weights(supervised=1.0, reprojection=1.0, bone=1.0)
    bones_E2 = torch.tensor(H36M16.bones)
    trainer = Trainer.start(network, settings, 0)
    if is_fused:
        means = trainer.run_epoch(1, labelled, unlabelled if is_weak else None, weights, bones_E2)
    else:
        with patch("wsgcn.model.network.may_fuse", return_value=False):
            means = trainer.run_epoch(1, labelled, unlabelled if is_weak else None, weights, bones_E2)

    assert means["total"] == pytest.approx(expected, rel=1e-5)
    expected_gradients = {name: parameter.grad for name, parameter in of_literal.named_parameters()}
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, expected_gradients[name], rtol=1e-3, atol=2e-6, msg=name)
    for name, buffer in network.named_buffers():
        if "running" in name:
            torch.testing.assert_close(buffer, of_literal.get_buffer(name), rtol=1e-4, atol=1e-6, msg=name)

"""The average of the weights against a literal loop."""

import pytest
import torch

from tests.tiny import tiny_params, write_tiny_capture
from wsgcn.model.networks import build_network
from wsgcn.pose.skeleton import H36M16
from wsgcn.training.averaging import Average
from wsgcn.training.params import WarmupParams
from wsgcn.training.sets import load_sets
from wsgcn.training.trainer import Trainer, copied, validation_mpjpe_mm

CPU = torch.device("cpu")


@pytest.mark.parametrize("decay", [0.05, 0.9])
def test_the_average_is_that_of_a_literal_loop_statistics_and_all(decay):
    network = build_network(H36M16, tiny_params().model, seed=0)
    average = Average(network, decay)
    expected = copied(network.state_dict())
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        network.train()
        network(torch.randn(8, 16, 2, generator=generator))  # moves the batch norms' statistics
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
        average.update(step)
        share = min(decay, (1 + step) / (10 + step))
        for name, weight in network.state_dict().items():
            if weight.is_floating_point():
                expected[name] = share * expected[name] + (1 - share) * weight
            else:
                expected[name] = weight.clone()
    found = average.network.state_dict()
    assert any("running_var" in name for name in found)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)
        assert "running" not in name or not torch.equal(found[name], network.state_dict()[name])


def test_the_average_is_what_is_validated_and_leaves_the_training_alone(tmp_path):
    paths = write_tiny_capture(tmp_path)
    results = []
    for decay in (0.0, 0.8):
        params = WarmupParams.of(tiny_params(training__average=decay))
        sets = load_sets(params, None, *paths, CPU)
        network = build_network(H36M16, params.model, seed=0)
        trainer = Trainer.start(network, params.training, 0, sets, {"supervised": 1.0})
        trainer.run_epoch()
        results.append((trainer.network.state_dict(), validation_mpjpe_mm(trainer.result, sets.labelled)))
        assert (trainer.result is trainer.network) == (decay == 0.0)
    (plain, plain_mm), (averaged, averaged_mm) = results
    assert all(torch.equal(weight, averaged[name]) for name, weight in plain.items())
    assert plain_mm != averaged_mm

"""Steps per second of both training stages at the sizes in params.yaml, on random poses.

Run it from the project's root, on a machine that does nothing else: python -m benchmarks.steps [--threads N]
"""

import argparse
import statistics
import time

import torch

from wsgcn.dataset import LabelledSet, TrueRoots, UnlabelledSet
from wsgcn.model.network import build_network
from wsgcn.params import read_params
from wsgcn.runtime import prepare
from wsgcn.skeleton import SKELETONS
from wsgcn.training import Trainer, Weights

_POSES = 20_000
_STEPS, _REPEATS = 10, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    arguments = parser.parse_args()
    params = read_params()
    device = prepare(params.runtime.model_copy(update={"threads": arguments.threads}))
    skeleton = SKELETONS[params.data.skeleton]
    joints = len(skeleton.joints)
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    labelled = LabelledSet(normal(_POSES, joints, 2), normal(_POSES, joints, 3)).to(device)
    unlabelled = UnlabelledSet(
        keypoints_NJ2=normal(_POSES, joints, 2),
        camera_N=torch.zeros(_POSES, dtype=torch.int64),
        intrinsics_K9=torch.tensor([[2.29, 2.29, 0.02, 0.02, -0.2, 0.2, 0.0, 0.0, 0.0]]),
        roots=TrueRoots(torch.tensor([0.0, 0.0, 5.0]).expand(_POSES, 3).contiguous()),
    ).to(device)
    weights = Weights(supervised=1.0, reprojection=1.0, bone=1.0)
    bones_E2 = torch.tensor(skeleton.bones, device=device)

    batches = f"{params.training.batch_labelled} labelled"
    print(f"{device}, {torch.get_num_threads()} threads, {params.model.name}, median of {_REPEATS} x {_STEPS} steps")
    for stage, second in (("warm-up", None), ("weak", unlabelled)):
        trainer = Trainer.start(build_network(skeleton, params.model, 0).to(device), params.training, 0)
        trainer.run_epoch(_STEPS, labelled, second, weights, bones_E2)
        rates = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            trainer.run_epoch(_STEPS, labelled, second, weights, bones_E2)
            rates.append(_STEPS / (time.perf_counter() - started))
        poses = batches if second is None else f"{batches} + {params.training.batch_unlabelled} unlabelled"
        spread = f"{min(rates):.2f} to {max(rates):.2f}"
        print(f"{stage:8} {statistics.median(rates):6.2f} steps/s ({spread}), {poses} poses a step")


if __name__ == "__main__":
    main()

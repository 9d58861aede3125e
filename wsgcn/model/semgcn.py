"""SemGCN (Zhao et al. 2019, "Semantic Graph Convolutional Networks for 3D Human Pose Regression")."""

from torch import Tensor, nn

from wsgcn.model.cpu.door import compiled_form, predicting_form
from wsgcn.model.layers import GraphBlock, NonLocal, ResidualBlock, SemGraphConv
from wsgcn.pose.skeleton import Skeleton


class SemGCN(nn.Module):
    """An input block, residual blocks, an output graph convolution: (B, J, 2) -> (B, J, 3).

    With `non_local`, a non-local layer follows the input block and each residual block. At the paper's setting (16
    joints, 128 channels, 4 blocks, non-local) it has 434,703 parameters. In training and in prediction on the CPU it
    uses the compiled form of its layers where there is one.
    """

    def __init__(
        self, skeleton: Skeleton, *, channels: int, blocks: int, non_local: bool, channelwise: bool, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [GraphBlock(2, channels, skeleton, channelwise=channelwise, dropout=dropout)]
        if non_local:
            layers.append(NonLocal(channels, skeleton))
        for _ in range(blocks):
            layers.append(ResidualBlock(channels, skeleton, channelwise=channelwise, dropout=dropout))
            if non_local:
                layers.append(NonLocal(channels, skeleton))
        layers.append(SemGraphConv(channels, 3, skeleton, channelwise=channelwise))
        self.layers = nn.Sequential(*layers)

    def forward(self, keypoints_BJ2: Tensor) -> Tensor:
        keypoints_BJ2 = keypoints_BJ2.contiguous()
        form = (compiled_form if self.training else predicting_form)(self.layers, keypoints_BJ2)
        return self.layers(keypoints_BJ2) if form is None else form(keypoints_BJ2)

import io
import pickle
import resource
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace

import pytest
import torch

from tests.tiny import ROOT, tiny_params
from tests.tiny_checkpoint import write_tiny_checkpoint
from wsgcn.base.errors import InputError
from wsgcn.model.checkpoint import Checkpoint, Chosen, Unfinished, load_checkpoint
from wsgcn.model.networks import build_network
from wsgcn.pose.skeleton import H36M16, H36M17
from wsgcn.training.params import WarmupParams, WeakParams


@pytest.fixture
def checkpoint():
    params = tiny_params()
    network = build_network(H36M16, params.model, seed=3)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.randn(4, 16, 2, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    optimiser.step()
    return Checkpoint(
        model=params.model,
        skeleton=H36M16,
        source="gt",
        source_words="exact projections",
        camera_9=(2.3, 2.3, 0.02, 0.03, -0.2, 0.25, 0.01, -0.001, 0.002),
        params={**WarmupParams.of(params).model_dump(), **WeakParams.of(params).model_dump()},
        weights=network.state_dict(),
        optimiser=optimiser.state_dict(),
        epoch=2,
        step=17,
        chosen=Chosen(epoch=2, by="last", validation_mpjpe_mm=None),
        chosen_weights=network.state_dict(),
    )


def resaved(path, change):
    """Change the tree of a saved checkpoint."""
    tree = torch.load(path, weights_only=True)
    change(tree)
    torch.save(tree, path)


def test_everything_comes_back(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    loaded = load_checkpoint(path)
    for field in ("model", "skeleton", "source", "source_words", "camera_9", "params", "epoch", "step", "chosen"):
        assert getattr(loaded, field) == getattr(checkpoint, field), field
    for name, weight in checkpoint.weights.items():
        assert torch.equal(loaded.weights[name], weight)
    keypoints = torch.randn(5, 16, 2)
    network = build_network(H36M16, checkpoint.model)
    network.load_state_dict(checkpoint.weights)
    assert torch.equal(loaded.network()(keypoints), network.eval()(keypoints))
    state = loaded.optimiser["state"][0]
    assert torch.equal(state["exp_avg"], checkpoint.optimiser["state"][0]["exp_avg"])


def test_a_file_from_before_there_was_a_choice_of_view_sees_the_picture(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    resaved(path, lambda tree: tree["model"].pop("sees"))
    assert load_checkpoint(path).model.sees == "picture"


def test_a_file_from_before_there_were_networks_over_time_is_read(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    resaved(path, lambda tree: tree["model"].pop("temporal"))
    loaded = load_checkpoint(path)
    assert (loaded.model.chosen, loaded.fps) == (checkpoint.model.chosen, None)


@pytest.mark.parametrize("channels", [1, 128])
def test_a_section_over_time_from_before_non_local_layers_is_read(checkpoint, tmp_path, channels):
    path = tmp_path / "older.pt"
    checkpoint.save(path)
    section = {"member": "graph", "frames": 27, "channels": channels, "blocks": 2, "dropout": 0.0, "causal": False}
    resaved(path, lambda tree: tree["model"].update(temporal=section))
    assert load_checkpoint(path).model.chosen == checkpoint.model.chosen


def test_a_videopose3d_network_from_before_non_local_layers_is_read(tmp_path):
    path = tmp_path / "older.pt"
    changes = {"model__temporal__member": "videopose3d", "model__temporal__non_local": False}
    write_tiny_checkpoint(path, model__name="temporal", **changes)
    before = load_checkpoint(path)
    resaved(path, lambda tree: tree["model"]["temporal"].pop("non_local"))
    assert load_checkpoint(path).model == before.model


def test_the_rate_of_a_network_over_time_comes_back(tmp_path):
    write_tiny_checkpoint(tmp_path / "weak.pt", model__name="temporal", model__temporal__causal=True)
    loaded = load_checkpoint(tmp_path / "weak.pt")
    assert loaded.fps == 50
    loaded.check_fps("weak.pt", 49.0, "S9 Walking")
    with pytest.raises(
        InputError, match="was trained with 50 frames a second and sees 9 of them, but S9 Walking has 30"
    ):
        loaded.check_fps("weak.pt", 30.0, "S9 Walking")


def test_the_same_state_gives_the_same_bytes_under_any_name(checkpoint, tmp_path):
    checkpoint.save(tmp_path / "a.pt")
    checkpoint.save(tmp_path / "another.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_what_was_read_back_gives_the_same_bytes_again(checkpoint, tmp_path):
    """Although its texts are other objects, to which a pickle would refer in other ways."""
    replace(checkpoint, unfinished=Unfinished([{"epoch": 1.0, "total": 0.1}], "a run")).save(tmp_path / "a.pt")
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert loaded.unfinished == Unfinished([{"epoch": 1.0, "total": 0.1}], "a run")
    loaded.save(tmp_path / "b.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (self.marker, "w"))


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path):
    marker = tmp_path / "executed"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"format": Malicious(str(marker))}, protocol=2))
        archive.writestr("archive/version", "3\n")
    path = tmp_path / "weak.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"weak\.pt: .*could run code"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps({"format": Malicious(str(marker))}, protocol=2))
    with pytest.raises(InputError, match=r"weak\.pt"):
        load_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("size", [0, 10, 5000, -100])
def test_a_truncated_checkpoint_is_one_sentence(checkpoint, tmp_path, size):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"weak\.pt: ") as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_missing_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"weak\.pt: not found"):
        load_checkpoint(tmp_path / "weak.pt")


def test_another_files_content_is_refused(tmp_path):
    path = tmp_path / "weak.pt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(InputError, match="not a checkpoint of this project"):
        load_checkpoint(path)


def test_weights_load_strictly(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    name = next(iter(checkpoint.weights))

    checkpoint.save(path)
    resaved(path, lambda tree: tree["weights"].pop(name))
    with pytest.raises(InputError, match=f"lacks the weights {name}"):
        load_checkpoint(path)

    checkpoint.save(path)
    resaved(path, lambda tree: tree["chosen_weights"].update(stray=torch.zeros(1)))
    with pytest.raises(InputError, match="unknown weights stray"):
        load_checkpoint(path)

    checkpoint.save(path)
    resaved(path, lambda tree: tree["weights"].update({name: torch.zeros(2, 3)}))
    with pytest.raises(InputError, match=r"has shape \(2, 3\)"):
        load_checkpoint(path)


@pytest.mark.parametrize("part", ["weights", "chosen_weights", "average"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_and_the_tensor_is_named(checkpoint, tmp_path, part, value):
    path = tmp_path / "weak.pt"
    replace(checkpoint, average=checkpoint.weights).save(path)
    name, weight = list(checkpoint.weights.items())[-1]

    def spoil(tree):
        spoilt = weight.clone()
        spoilt.view(-1)[0] = value
        tree[part] = tree[part] | {name: spoilt}

    resaved(path, spoil)
    with pytest.raises(InputError, match="NaN or infinite") as refused:
        load_checkpoint(path)
    assert str(refused.value).startswith(f"{path}: {name} has 1 of {weight.numel()} weights that are NaN or infinite")
    assert "\n" not in str(refused.value)


def test_a_misfit_names_what_was_found_and_expected(checkpoint):
    checkpoint.check_fits("weak.pt", H36M16, "gt", checkpoint.model)
    with pytest.raises(InputError, match=r"h36m16 with 16 joints, but data\.skeleton is h36m17 with 17"):
        checkpoint.check_fits("weak.pt", H36M17, "gt")
    with pytest.raises(InputError, match="trained with gt 2D, but the detections are cpn"):
        checkpoint.check_fits("weak.pt", H36M16, "cpn")
    with pytest.raises(InputError, match="another network"):
        checkpoint.check_fits("weak.pt", H36M16, "gt", tiny_params(model__semgcn__blocks=2).model)


def test_a_checkpoint_of_another_format_is_refused_and_both_are_named(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    resaved(path, lambda tree: tree.update(format="wsgcn checkpoint 1"))
    with pytest.raises(InputError, match="found 'wsgcn checkpoint 1', expected 'wsgcn checkpoint 2'"):
        load_checkpoint(path)


@pytest.mark.parametrize("part", ["source_words", "camera", "params", "chosen"])
def test_a_checkpoint_without_one_of_its_parts_is_one_sentence(checkpoint, tmp_path, part):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    resaved(path, lambda tree: tree.pop(part))
    with pytest.raises(InputError, match=rf"weak\.pt: lacks or garbles .* \({part}: Field required\)"):
        load_checkpoint(path)


def test_joints_in_another_order_are_refused(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    replace(checkpoint).save(path)
    resaved(path, lambda tree: tree["joints"].reverse())
    with pytest.raises(InputError, match="has the joints"):
        load_checkpoint(path)


def test_a_full_disk_leaves_the_old_checkpoint_whole(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    checkpoint.save(path)
    before = path.read_bytes()
    code = f"""
        import resource, signal
        from wsgcn.model.checkpoint import load_checkpoint
        from wsgcn.base.errors import InputError
        checkpoint = load_checkpoint({str(path)!r})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow beyond this
        try:
            checkpoint.save({str(path)!r})
        except InputError as error:
            print(error)
    """
    assert hasattr(resource, "RLIMIT_FSIZE")
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "weak.pt: could not be written" in result.stdout
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["weak.pt"]


def test_an_average_is_kept_to_the_bit_and_one_of_another_network_is_refused(checkpoint, tmp_path):
    path = tmp_path / "weak.pt"
    average = {
        name: weight * 0.5 if weight.is_floating_point() else weight for name, weight in checkpoint.weights.items()
    }
    replace(checkpoint, average=average).save(path)
    loaded = load_checkpoint(path).average
    assert loaded.keys() == average.keys()
    assert all(torch.equal(loaded[name], weight) for name, weight in average.items())
    resaved(path, lambda tree: tree["average"].update(stray=torch.zeros(1)))
    with pytest.raises(InputError, match="unknown weights stray"):
        load_checkpoint(path)


def test_a_checkpoint_from_before_averaging_is_read_as_one_without(checkpoint, tmp_path):
    checkpoint.save(tmp_path / "weak.pt")
    resaved(tmp_path / "weak.pt", lambda tree: tree.pop("average"))
    assert load_checkpoint(tmp_path / "weak.pt").average == {}

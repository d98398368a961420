"""What the embedded model's denoiser is made and trained with."""

from __future__ import annotations

import copy
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel

from demo_model.architecture import LATENT_CHANNELS, TEXT_WIDTH, make_unet
from demo_model.growth import grow
from demo_model.muon import Muon, orthogonalised
from demo_model.train import load_parts
from ti_core.models import ASSETS

TOYBOX = ASSETS / "toybox"


def shallow_unet(**changes: object) -> UNet2DConditionModel:
    """Of one layer a block, with weights that are all random."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config({**make_unet().config, "layers_per_block": 1, **changes})
    for parameter in unet.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return unet


def test_a_deeper_denoiser_predicts_what_the_shallower_one_did_and_learns_in_all_its_layers() -> None:
    shallow, deep = shallow_unet(), make_unet()
    grow(deep, shallow)
    latents, timesteps = torch.randn(2, LATENT_CHANNELS, 16, 16), torch.tensor([3, 900])
    sentences = torch.randn(2, 7, TEXT_WIDTH)
    expected = shallow(latents, timesteps, sentences).sample
    predicted = deep(latents, timesteps, sentences).sample
    assert torch.allclose(predicted, expected, atol=1e-4)

    (predicted - torch.randn_like(predicted)).square().mean().backward()
    for block in (*deep.down_blocks, *deep.up_blocks):
        assert block.resnets[1].conv2.weight.grad.abs().max() > 0


def test_a_training_that_starts_from_a_shallower_denoiser_makes_it_deeper(tmp_path: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(TOYBOX)
    pipeline.unet = shallow_unet()
    pipeline.save_pretrained(tmp_path / "shallow")
    options = Namespace(start=tmp_path / "shallow", out=tmp_path)
    parts = load_parts(options, torch.device("cpu"))
    inputs = torch.randn(1, LATENT_CHANNELS, 16, 16), torch.tensor([500]), torch.randn(1, 7, TEXT_WIDTH)
    expected = pipeline.unet(*inputs).sample
    for unet in (parts.unet, parts.averaged["unet"]):
        assert unet.config.layers_per_block == 2
        assert torch.allclose(unet(*inputs).sample, expected, atol=1e-3)


def test_a_denoiser_of_other_widths_cannot_be_grown() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        grow(make_unet(), shallow_unet(block_out_channels=(32, 64, 96)))


@pytest.mark.parametrize("shape", [(3, 24, 48), (2, 16, 80), (2, 80, 16)])
def test_singular_values_become_about_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)).float())
    assert values.shape == (shape[0], min(shape[1:]))
    assert values.min() > 0.3 and values.max() < 1.4


def test_muon_finds_a_matrix_that_few_directions_tell() -> None:
    """Least squares whose directions differ tenfold in weight."""
    torch.manual_seed(0)
    wanted, found = torch.randn(16, 16), torch.nn.Parameter(torch.zeros(16, 16))
    inputs = torch.randn(256, 16) * torch.logspace(0, -1, 16)
    optimizer = Muon([found], lr=0.02)
    for step in range(1000):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 1000)
        optimizer.zero_grad()
        (inputs @ (found - wanted)).square().mean().backward()
        optimizer.step()
    assert (found - wanted).abs().mean() < 0.1 * wanted.abs().mean()


def test_muon_moves_by_the_learning_rate_and_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(8, 4, 3, 3), torch.randn(3, 8, 4, 3, 3)

    def run(parameter: torch.nn.Parameter, optimizer: Muon, part: torch.Tensor) -> None:
        for gradient in part:
            parameter.grad = gradient.clone()
            optimizer.step()

    whole = torch.nn.Parameter(start.clone())
    run(whole, optimizer := Muon([whole], lr=0.01), gradients[:1])
    assert (whole - start).square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.3)
    resumed = torch.nn.Parameter(whole.detach().clone())
    going_on = Muon([resumed], lr=0.01)
    going_on.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(whole, optimizer, gradients[1:])
    run(resumed, going_on, gradients[1:])
    assert torch.equal(whole, resumed)

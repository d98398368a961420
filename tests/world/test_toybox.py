"""The embedded model: its format and quality, and learning words on it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from ti_core.config import TrainingConfig
from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.model.backbone import Backbone
from ti_core.pictures.folders import find_pictures, load_pictures
from ti_core.pictures.prepare import Picture, to_pixels
from ti_core.resources import ASSETS
from ti_core.training.loop import train
from ti_core.training.preparation import prepare
from ti_core.training.state import TrainingState

TOYBOX = ASSETS / "toybox"
EXAMPLES = ASSETS / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toybox() -> Backbone:
    return Backbone.load("toybox", device="cpu")


def example_pictures(name: str, size: int) -> list[Picture]:
    pictures, rejected = load_pictures(find_pictures([EXAMPLES / name]), size)
    assert len(pictures) == 4 and not rejected
    return pictures


def learn(toybox: Backbone, example: str, **settings) -> TrainingState:
    """Learn a word from example pictures in 60 steps."""
    config = TrainingConfig(token="our-thing", steps=60, stop="never", **settings)
    state = prepare(toybox, example_pictures(example, toybox.resolution), config)
    for _ in train(toybox, [state]):
        pass
    return state


def test_diffusers_loads_it_as_an_ordinary_pipeline() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(TOYBOX)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.tokenizer.model_max_length == 77
    assert pipeline.unet.config.sample_size * pipeline.vae_scale_factor == 128
    ids = pipeline.tokenizer("a monster on the beach").input_ids
    words = pipeline.tokenizer.convert_ids_to_tokens(ids)
    assert {path.name for path in (TOYBOX / "tokenizer").iterdir()} >= {"vocab.json", "merges.txt"}
    assert words[1:-1] == ["a</w>", "monster</w>", "on</w>", "the</w>", "beach</w>"]


def test_it_stores_its_weights_in_half_precision_safetensors() -> None:
    weights = sorted(path.relative_to(TOYBOX).as_posix() for path in TOYBOX.rglob("*.safetensors"))
    assert weights == [
        "settings_words.safetensors",
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    assert not list(TOYBOX.rglob("*.bin")) and not list(TOYBOX.rglob("*.pt"))


def test_its_configuration_names_no_folder_of_the_machine_that_made_it() -> None:
    for part in ("vae", "unet"):
        assert not json.loads((TOYBOX / part / "config.json").read_text())["_name_or_path"]


def test_its_autoencoder_keeps_pictures_it_has_not_seen(toybox: Backbone) -> None:
    for name in ("monster", "teapot", "cat"):
        for picture in example_pictures(name, toybox.resolution):
            pixels = torch.from_numpy(to_pixels([picture]))
            decoded = toybox.decode_latents(toybox.encode_pictures(pixels).mean).cpu()
            psnr = -10 * ((decoded - pixels) / 2).square().mean().log10()
            assert psnr > 18, f"{name}: {psnr:.1f} dB"


def test_it_listens_to_the_prompt(toybox: Backbone) -> None:
    """Pictures at night are darker than pictures in the snow."""

    def brightness(prompt: str) -> float:
        settings = GenerationSettings(prompt=prompt, count=4, steps=12, guidance_scale=3.0)
        return float(np.mean([np.asarray(picture.image) for picture in generate(toybox, settings)]))

    assert brightness("a house at night") + 30 < brightness("a house in the snow")


def test_a_picture_redrawn_gently_keeps_its_colours_and_wildly_does_not(toybox: Backbone) -> None:
    [source] = [picture.image for picture in example_pictures("x-ray", toybox.resolution)[:1]]

    def difference(strength: float) -> float:
        settings = GenerationSettings("a house in the snow", count=2, steps=12, strength=strength)
        drawn = [np.asarray(picture.image, float) for picture in generate(toybox, settings, source=source)]
        return float(np.mean(np.abs(np.stack(drawn) - np.asarray(source, float))))

    assert difference(0.2) * 2 < difference(1.0)


def test_learning_a_style_lowers_the_loss_below_its_initial_word(toybox: Backbone) -> None:
    state = learn(toybox, "x-ray", kind="style", initializer="illustration")
    assert state.best_evaluation.loss < 0.97 * state.evaluations[0].loss


@pytest.mark.parametrize(("name", "rate"), [("teapot", None), ("monster", 0.02)])
def test_learning_a_thing_lowers_the_loss_below_its_initial_word(
    toybox: Backbone, name: str, rate: float | None
) -> None:
    state = learn(toybox, name, initializer=name, learning_rate=rate)
    assert state.best_evaluation.loss < 0.98 * state.evaluations[0].loss


@pytest.mark.parametrize("name", ["monster", "teapot", "cat"])
def test_the_automatic_initial_word_names_the_family(toybox: Backbone, name: str) -> None:
    config = TrainingConfig(token="our-thing", initializer="auto")
    state = prepare(toybox, example_pictures(name, toybox.resolution), config)
    assert state.initializer == name

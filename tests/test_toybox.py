"""The embedded model: that it is what it claims to be, and that words can be learned on it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from ti_core.backbone import Backbone
from ti_core.concept import Concept
from ti_core.config import TrainingConfig
from ti_core.generation import GenerationSettings, generate
from ti_core.images import Picture, find_pictures, load_pictures, to_pixels
from ti_core.models import ASSETS
from ti_core.training import TrainingState, evaluate, learned_concept, prepare, train

TOYBOX = ASSETS / "toybox"
EXAMPLES = ASSETS / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toybox() -> Backbone:
    return Backbone.load("toybox", device="cpu", dtype=torch.float32)


def example_pictures(name: str, size: int) -> list[Picture]:
    pictures, rejected = load_pictures(find_pictures([EXAMPLES / name]), size)
    assert len(pictures) == 4 and not rejected
    return pictures


@pytest.fixture(scope="module")
def learned(toybox: Backbone) -> tuple[TrainingState, Concept]:
    """The example monster, learned for a short while from the word “monster”."""
    config = TrainingConfig(token="our-monster", initializer="monster", steps=120, stop="never")
    state = prepare(toybox, example_pictures("monster", toybox.resolution), config)
    for _ in train(toybox, [state]):
        pass
    return state, learned_concept(toybox, state)


def test_diffusers_loads_it_as_an_ordinary_pipeline() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(TOYBOX)
    assert pipeline.scheduler.config.prediction_type == "epsilon"
    assert pipeline.tokenizer.model_max_length == 77
    assert pipeline.unet.config.sample_size * pipeline.vae_scale_factor == 128
    ids = pipeline.tokenizer("a monster on the beach").input_ids
    words = pipeline.tokenizer.convert_ids_to_tokens(ids)
    assert {path.name for path in (TOYBOX / "tokenizer").iterdir()} >= {"vocab.json", "merges.txt"}
    assert words[1:-1] == ["a</w>", "monster</w>", "on</w>", "the</w>", "beach</w>"]


def test_it_stores_its_weights_in_half_precision_safetensors() -> None:
    weights = sorted(path.relative_to(TOYBOX).as_posix() for path in TOYBOX.rglob("*.safetensors"))
    assert weights == [
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    assert not list(TOYBOX.rglob("*.bin")) and not list(TOYBOX.rglob("*.pt"))


def test_its_autoencoder_keeps_pictures_it_has_not_seen(toybox: Backbone) -> None:
    for name in ("monster", "teapot", "cat"):
        for picture in example_pictures(name, toybox.resolution):
            pixels = torch.from_numpy(to_pixels([picture]))
            decoded = toybox.decode_latents(toybox.encode_pictures(pixels).mean).cpu()
            psnr = -10 * ((decoded - pixels) / 2).square().mean().log10()
            assert psnr > 18, f"{name}: {psnr:.1f} dB"


def test_it_listens_to_the_prompt(toybox: Backbone) -> None:
    """A picture at night is darker than one in the snow, whatever the seed."""

    def brightness(prompt: str) -> float:
        settings = GenerationSettings(prompt=prompt, count=4, steps=12, guidance_scale=3.0)
        return float(np.mean([np.asarray(picture.image) for picture in generate(toybox, settings)]))

    assert brightness("a house at night") + 30 < brightness("a house in the snow")


def test_learning_a_word_lowers_the_loss_below_its_initial_word(learned) -> None:
    state, _ = learned
    first, best = state.evaluations[0].loss, state.best_evaluation.loss
    assert best < 0.97 * first


def test_the_learned_word_fits_its_own_pictures_better_than_others_do(toybox: Backbone, learned) -> None:
    """On the example teapot the monster's word is worse than the plain word teapot."""
    _, concept = learned
    pictures = example_pictures("teapot", toybox.resolution)
    plain = prepare(toybox, pictures, TrainingConfig(token="other", initializer="teapot"))
    evaluate(toybox, [plain])
    foreign = dataclasses.replace(plain, evaluations=[], vectors=dict(concept.vectors))
    evaluate(toybox, [foreign])
    assert plain.evaluations[0].loss < foreign.evaluations[0].loss


def test_the_automatic_initial_word_names_the_family(toybox: Backbone) -> None:
    for name in ("monster", "teapot", "cat"):
        config = TrainingConfig(token="our-thing", initializer="auto")
        state = prepare(toybox, example_pictures(name, toybox.resolution), config)
        assert state.initializer == name

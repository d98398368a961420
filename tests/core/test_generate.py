"""Drawing, recipes and image-to-image with tiny models of all three families."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from ti_core.drawing.generate import Progress, generate, generate_all
from ti_core.drawing.recipe import SCHEDULER_LABELS, ConceptUse, Recipe, read_recipe, save_png
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.errors import (
    Cancelled,
    ConfigError,
    GenerationError,
    IncompatibleConceptError,
    UnknownTokenError,
)
from ti_core.model.backbone import Backbone
from ti_core.model.schedulers import SCHEDULERS
from ti_core.pictures.prepare import picture_sha256
from ti_core.words.arithmetic import interpolate_from_initial
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept

FAMILIES = ("sd1", "sd2", "sdxl")
TOKEN = "<our-cat>"
PROMPT = f"a photo of {TOKEN} in red"


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(f"tiny_{request.param}")


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    return Backbone.load(str(folder), "cpu", torch.float32)


@pytest.fixture(scope="module")
def sd1(tiny_sd1: Path) -> Backbone:
    return Backbone.load(str(tiny_sd1), "cpu", torch.float32)


def concept_for(backbone: Backbone, token: str = TOKEN, vectors: int = 2, seed: int = 0) -> Concept:
    generator = torch.Generator().manual_seed(seed)
    rows = {
        name: torch.randn(vectors, width, generator=generator) for name, width in backbone.base.widths.items()
    }
    return Concept(token, rows, "object", backbone.base, "cat")


def settings_for(prompt: str = PROMPT, **values) -> GenerationSettings:
    return GenerationSettings(prompt, **{"count": 1, "steps": 3, "seed": 7, **values})


def settings_of(recipe: Recipe) -> GenerationSettings:
    names = {field.name for field in dataclasses.fields(GenerationSettings)} - {"count"}
    return GenerationSettings(count=1, **{name: getattr(recipe, name) for name in names})


def difference(a: Image.Image, b: Image.Image) -> int:
    """The largest difference between two pictures, in levels of 255."""
    assert a.size == b.size and a.mode == b.mode == "RGB"
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, 255 - red], axis=-1).astype(np.uint8))


def test_a_picture_of_a_batch_can_be_made_again_alone(backbone: Backbone, tmp_path: Path) -> None:
    concept = concept_for(backbone)
    pictures = list(generate(backbone, settings_for(count=5, scheduler="euler_a"), [concept], batch_size=3))
    assert [picture.recipe.seed for picture in pictures] == [7, 8, 9, 10, 11]
    assert all(difference(pictures[0].image, picture.image) > 5 for picture in pictures[1:])
    path = tmp_path / "picture.png"
    save_png(pictures[4].image, path, pictures[4].recipe)
    others = [concept_for(backbone, "<other>", seed=1), concept]
    [again] = generate(backbone, settings_of(read_recipe(path)), others)
    assert difference(again.image, pictures[4].image) <= 1
    assert again.recipe == pictures[4].recipe


@pytest.mark.parametrize("negative", ["", f"dog, {TOKEN}"])
def test_diffusers_draws_the_same_pictures_from_the_saved_concept(
    folder: Path, backbone: Backbone, negative: str, tmp_path: Path
) -> None:
    concept = concept_for(backbone)
    save_concept(concept, tmp_path)
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_textual_inversion(
        tmp_path,
        weight_name="learned_embeds.safetensors",
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
    )
    if backbone.base.family == "sdxl":
        pipeline.load_textual_inversion(
            tmp_path,
            weight_name="learned_embeds_2.safetensors",
            text_encoder=pipeline.text_encoder_2,
            tokenizer=pipeline.tokenizer_2,
        )
    theirs = pipeline(
        PROMPT,
        negative_prompt=negative or None,
        num_inference_steps=3,
        guidance_scale=5.0,
        num_images_per_prompt=2,
        generator=[torch.Generator().manual_seed(seed) for seed in (7, 8)],
    ).images
    settings = settings_for(negative_prompt=negative, guidance_scale=5.0, count=2, scheduler="ddim")
    ours = list(generate(backbone, settings, [concept]))
    assert all(difference(a.image, b) <= 1 for a, b in zip(ours, theirs, strict=True))


def test_picture_to_picture_takes_its_share_of_the_steps_and_can_be_made_again(backbone: Backbone) -> None:
    source, concept = gradient(), concept_for(backbone)
    progress: list[Progress] = []
    settings = settings_for(steps=4, strength=0.5, count=3)
    drawn = list(
        generate(backbone, settings, [concept], source=source, batch_size=2, on_progress=progress.append)
    )
    assert [step.done for step in progress] == [2, 4, 5, 6]
    assert {step.total for step in progress} == {6}
    fitted = source.crop((8, 0, 32, 24)).resize((16, 16), Image.Resampling.LANCZOS)
    assert drawn[0].recipe.source_sha256 == picture_sha256(fitted)
    assert drawn[0].recipe.strength == 0.5

    [again] = generate(backbone, settings_of(drawn[2].recipe), [concept], source=source)
    assert difference(again.image, drawn[2].image) <= 1
    assert again.recipe == drawn[2].recipe


def test_float16_draws_and_leaves_the_autoencoder_as_it_was(folder: Path) -> None:
    backbone = Backbone.load(str(folder), "cpu", torch.float16)
    full = Backbone.load(str(folder), "cpu", torch.float32)
    kept = backbone.vae.dtype
    for source, strength in ((None, None), (gradient(), 0.7)):
        settings = settings_for("a photo of red", strength=strength)
        [half] = generate(backbone, settings, source=source)
        [single] = generate(full, settings, source=source)
        assert difference(half.image, single.image) <= 6
        assert backbone.vae.dtype == kept


def test_numbers_that_overflow_are_an_error_and_no_black_picture(tiny_sd1: Path) -> None:
    backbone = Backbone.load(str(tiny_sd1), "cpu", torch.float32)
    with torch.no_grad():
        backbone.unet.conv_out.weight.fill_(float("inf"))
    with pytest.raises(GenerationError, match="float32"):
        list(generate(backbone, settings_for("a photo")))


def test_the_model_has_a_sampler_of_its_own(sd1, monkeypatch):
    monkeypatch.setattr(sd1, "scheduler", "euler_a")
    [own] = generate(sd1, settings_for("red", count=1))
    [asked] = generate(sd1, settings_for("red", count=1, scheduler="euler_a"))
    [other] = generate(sd1, settings_for("red", count=1, scheduler="ddim"))
    assert own.recipe == asked.recipe != other.recipe
    assert np.array_equal(own.image, asked.image)


def test_every_scheduler_has_a_label_for_recipes() -> None:
    assert SCHEDULER_LABELS.keys() == SCHEDULERS.keys()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("steps", "strength"), [(1, None), (5, None), (5, 0.5)])
def test_progress_rises_to_its_total_with_every_scheduler(
    sd1: Backbone, scheduler: str, steps: int, strength: float | None
) -> None:
    progress: list[Progress] = []
    settings = settings_for("red", steps=steps, strength=strength, scheduler=scheduler, count=2)
    source = gradient() if strength else None
    assert len(list(generate(sd1, settings, source=source, on_progress=progress.append))) == 2
    done = [step.done for step in progress]
    assert done == sorted(set(done))
    assert done[-1] == progress[-1].total == 2 * settings.denoising_steps


def test_cancel_stops_the_denoiser_and_keeps_what_is_ready(sd1: Backbone) -> None:
    calls: list[int] = []
    handle = sd1.unet.register_forward_hook(lambda *_: calls.append(1))
    try:
        pictures = generate(
            sd1, settings_for("red", count=3), batch_size=1, should_stop=lambda: len(calls) >= 5
        )
        assert next(pictures).recipe.seed == 7
        with pytest.raises(Cancelled):
            next(pictures)
        assert len(calls) == 5
        assert list(pictures) == []
    finally:
        handle.remove()
    assert len(list(generate(sd1, settings_for("red")))) == 1


def test_guidance_of_one_makes_no_unconditional_pass(sd1: Backbone) -> None:
    rows: list[int] = []
    handle = sd1.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        list(generate(sd1, settings_for("red", guidance_scale=1.0, count=2)))
        list(generate(sd1, settings_for("red", guidance_scale=2.0, count=2)))
    finally:
        handle.remove()
    assert rows == [2, 2, 2, 4, 4, 4]


def test_batches_of_two_calls_may_take_turns(sd1: Backbone) -> None:
    slow = settings_for("red", scheduler="euler", count=2)
    [first, second] = generate(sd1, slow, batch_size=1)
    turns = generate(sd1, slow, batch_size=1)
    assert difference(next(turns).image, first.image) == 0
    list(generate(sd1, settings_for("dog", scheduler="ddim")))
    assert difference(next(turns).image, second.image) == 0
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


@pytest.mark.parametrize("strength", [None, 0.7])
def test_orders_that_differ_in_prompt_and_seed_share_batches(
    backbone: Backbone, strength: float | None
) -> None:
    concepts = (concept_for(backbone),)
    source = None if strength is None else gradient()
    settings = [
        settings_for("red", strength=strength),
        settings_for(strength=strength, seed=2),
        settings_for(strength=strength, seed=4, negative_prompt="dog"),
        settings_for("a dog", strength=strength, steps=6),
    ]
    orders = [Order(each, concepts, source) for each in settings]
    progress: list[Progress] = []
    drawn = list(generate_all(backbone, orders, on_progress=progress.append))
    shared, alone = (each.denoising_steps for each in settings[2:])
    assert [step.done for step in progress] == [
        *range(3, 3 * shared + 1, 3),
        *range(3 * shared + 1, 3 * shared + alone + 1),
    ]
    assert {step.total for step in progress} == {3 * shared + alone}
    for order, picture in zip(orders, drawn, strict=True):
        [single] = generate(backbone, order.settings, concepts, source=source)
        assert difference(picture.image, single.image) <= 1
        assert picture.recipe == single.recipe


def test_the_concept_changes_the_picture_in_either_prompt(sd1: Backbone) -> None:
    concept = concept_for(sd1)
    [plain] = generate(sd1, settings_for("a red dog"))
    [negative] = generate(sd1, settings_for("a red dog", negative_prompt=TOKEN), [concept])
    [other] = generate(
        sd1,
        settings_for("a red dog", negative_prompt=TOKEN),
        [concept_for(sd1, seed=1), concept_for(sd1, "<x>")],
    )
    assert difference(plain.image, negative.image) > 2
    assert difference(other.image, negative.image) > 2
    assert plain.recipe.concepts == ()
    assert negative.recipe.concepts == (ConceptUse(TOKEN, concept.sha256),)
    assert [use.token for use in other.recipe.concepts] == [TOKEN]


def test_prompts_of_different_length_are_drawn(backbone: Backbone) -> None:
    long = "red toy " * 50
    [picture] = generate(backbone, settings_for("dog", negative_prompt=long))
    assert picture.recipe.negative_prompt == long


def test_sizes(sd1: Backbone) -> None:
    [wide] = generate(sd1, settings_for("dog", width=32, height=16))
    assert wide.image.size == (wide.recipe.width, wide.recipe.height) == (32, 16)
    with pytest.raises(ConfigError, match="width is 20: give a multiple of 8, such as 16"):
        generate(sd1, settings_for("dog", width=20))


def test_a_source_is_turned_upright_and_put_on_white(sd1: Backbone) -> None:
    source = Image.new("RGBA", (32, 16), (0, 0, 0, 0))
    exif = source.getexif()
    exif[0x0112] = 6
    source.info["exif"] = exif.tobytes()
    settings = settings_for("dog", strength=0.5, width=16, height=32)
    [picture] = generate(sd1, settings, source=source)
    assert picture.recipe.source_sha256 == picture_sha256(Image.new("RGB", (16, 32), "white"))


@pytest.mark.parametrize(
    "values",
    [
        {"count": 0},
        {"seed": -1},
        {"seed": 2**63 - 1, "count": 2},
        {"steps": 0},
        {"guidance_scale": float("nan")},
        {"guidance_scale": -1},
        {"scheduler": "plms"},
        {"width": 0},
        {"strength": 0},
        {"strength": 1.5},
    ],
)
def test_settings_that_cannot_work_are_refused_when_made(values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        GenerationSettings("dog", **values)


def test_the_least_strength_that_is_named_works() -> None:
    with pytest.raises(ConfigError, match="give at least 0.1"):
        GenerationSettings("dog", steps=10, strength=0.05)
    for steps in range(1, 1001):
        with pytest.raises(ConfigError) as refusal:
            GenerationSettings("dog", steps=steps, strength=0.9 / steps)
        least = float(str(refusal.value).rpartition(" ")[2].rstrip("."))
        assert GenerationSettings("dog", steps=steps, strength=least).denoising_steps >= 1


def test_requests_that_cannot_work_are_refused_by_the_call_itself(sd1: Backbone, tiny_sd2: Path) -> None:
    with pytest.raises(UnknownTokenError, match="<our-cat>"):
        generate(sd1, settings_for("a photo of <our-cut>"), [concept_for(sd1)])
    with pytest.raises(UnknownTokenError):
        generate(sd1, settings_for("a photo", negative_prompt="<our-cat>"))
    with pytest.raises(ConfigError, match="strength"):
        generate(sd1, settings_for("a photo"), source=gradient())
    with pytest.raises(ConfigError, match="strength"):
        generate(sd1, settings_for("a photo", strength=0.5))
    with pytest.raises(ConfigError, match="batch_size"):
        generate(sd1, settings_for("a photo"), batch_size=0)
    with pytest.raises(IncompatibleConceptError):
        generate(sd1, settings_for(), [concept_for(Backbone.load(str(tiny_sd2), "cpu", torch.float32))])


def test_a_word_at_another_strength_is_recorded_as_the_word_at_that_strength(sd1: Backbone) -> None:
    concept = dataclasses.replace(concept_for(sd1), initializer="cat")
    weaker = interpolate_from_initial(sd1, concept, 0.4)
    [picture] = generate(sd1, settings_for(), [weaker])
    assert picture.recipe.concepts == (ConceptUse(TOKEN, concept.sha256, 0.4),)
    [strong] = generate(sd1, settings_for(), [concept])
    assert difference(strong.image, picture.image) > 1

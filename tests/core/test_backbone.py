"""The backbone, compared with diffusers itself on tiny models of all three families."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from helpers.tiny_models import save_tiny_model

from ti_core.errors import (
    ConfigError,
    GenerationError,
    IncompatibleConceptError,
    ModelError,
    PromptError,
    UnknownTokenError,
)
from ti_core.messages import Message
from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.model.families import Family
from ti_core.model.memory import out_of_memory_as
from ti_core.model.precision import best_device, fastest_dtype
from ti_core.model.schedulers import SCHEDULERS
from ti_core.model.text_encoding import Conditioning
from ti_core.words.concept import EMBEDDING_FILES, Concept, vectors_by_token
from ti_core.words.folder import save_concept

FAMILIES: tuple[Family, ...] = ("sd1", "sd2", "sdxl")
TOKEN = "<our-cat>"
CPU = torch.device("cpu")
LONG = "a red cat in the style of the painting of a toy dog " * 7  # 84 tokens


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest, backbones: dict[Family, Backbone]) -> Backbone:
    return backbones[request.param]


@pytest.fixture
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


@pytest.fixture
def folder_of(tiny_sd1: Path, tiny_sd2: Path, tiny_sdxl: Path) -> Callable[[Backbone], Path]:
    folders = {"sd1": tiny_sd1, "sd2": tiny_sd2, "sdxl": tiny_sdxl}
    return lambda backbone: folders[backbone.base.family]


def vectors_for(backbone: Backbone, count: int = 1, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.02 * torch.randn(count, width, generator=generator)
        for name, width in backbone.base.widths.items()
    }


def concept_for(backbone: Backbone, count: int = 1, seed: int = 0, token: str = TOKEN) -> Concept:
    return Concept(token, vectors_for(backbone, count, seed), "object", backbone.base)


def latents_for(backbone: Backbone, rows: int, seed: int = 0) -> torch.Tensor:
    side = backbone.resolution // backbone.pixels_per_latent
    return torch.randn(rows, 4, side, side, generator=torch.Generator().manual_seed(seed))


def fresh_pipeline(backbone: Backbone, folder: Path):
    if backbone.base.family == "sdxl":
        return StableDiffusionXLPipeline.from_pretrained(folder)
    return StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)


def diffusers_encodes(pipeline, prompts: list[str]) -> Conditioning:
    """Encode prompts by diffusers' own pipeline."""
    if isinstance(pipeline, StableDiffusionXLPipeline):
        hidden, _, pooled, _ = pipeline.encode_prompt(prompts, device=CPU, do_classifier_free_guidance=False)
        return Conditioning(hidden, pooled)
    hidden, _ = pipeline.encode_prompt(prompts, CPU, 1, do_classifier_free_guidance=False)
    return Conditioning(hidden)


def assert_same(one: Conditioning, other: Conditioning, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(one.hidden, other.hidden, rtol=0, atol=tolerance)
    assert (one.pooled is None) == (other.pooled is None)
    if one.pooled is not None:
        torch.testing.assert_close(one.pooled, other.pooled, rtol=0, atol=tolerance)


# --- prompts as diffusers encodes them --------------------------------------------------------------------


def test_prompts_without_concepts_are_encoded_as_by_diffusers(backbone: Backbone, folder_of):
    prompts = ["a photo of a cat", "", "A  red Dog, in the style of: painting!", "toy's 12 ünïcode 猫 words"]
    expected = diffusers_encodes(fresh_pipeline(backbone, folder_of(backbone)), prompts)
    encoded = backbone.encode_prompts(prompts)
    assert_same(encoded, expected)
    assert encoded.lengths is None
    assert (encoded.pooled is not None) == (backbone.base.family == "sdxl")


@pytest.mark.parametrize("count", [1, 3])
def test_a_concept_is_encoded_as_by_diffusers_after_it_loads_the_folder(
    backbone: Backbone, folder_of, tmp_path: Path, count: int
):
    concept = concept_for(backbone, count)
    save_concept(concept, tmp_path)
    pipeline = fresh_pipeline(backbone, folder_of(backbone))
    for number, encoder in enumerate(backbone.base.widths):
        suffix = "" if number == 0 else "_2"
        pipeline.load_textual_inversion(
            tmp_path,
            weight_name=EMBEDDING_FILES[number],
            text_encoder=getattr(pipeline, f"text_encoder{suffix}"),
            tokenizer=getattr(pipeline, f"tokenizer{suffix}"),
        )
        assert len(concept.vectors[encoder]) == count
    prompts = [f"a photo of {TOKEN} toy", f"{TOKEN}, red", f"a {TOKEN} and a {TOKEN}"]
    words = vectors_by_token([concept], backbone.base)
    assert_same(backbone.encode_prompts(prompts, words), diffusers_encodes(pipeline, prompts))


def test_encoding_leaves_tokenizers_and_tables_as_they_were(backbone: Backbone, folder_of):
    backbone.encode_prompts([f"a photo of {TOKEN}"], {TOKEN: vectors_for(backbone, 3)})
    pristine = fresh_pipeline(backbone, folder_of(backbone))
    used = backbone.sampler("text", "ddim")
    for suffix in ("", "_2") if backbone.base.family == "sdxl" else ("",):
        assert (
            getattr(used, f"tokenizer{suffix}").get_vocab()
            == getattr(pristine, f"tokenizer{suffix}").get_vocab()
        )
        table = getattr(pristine, f"text_encoder{suffix}").get_input_embeddings().weight
        assert torch.equal(getattr(used, f"text_encoder{suffix}").get_input_embeddings().weight, table)


def test_the_gradient_reaches_the_vectors_and_nothing_else(backbone: Backbone):
    vectors = {name: rows.requires_grad_() for name, rows in vectors_for(backbone, 2).items()}
    conditioning = backbone.encode_prompts([f"a photo of {TOKEN}"], {TOKEN: vectors})
    prediction = backbone.predict(latents_for(backbone, 1), torch.tensor([500]), conditioning)
    prediction.square().mean().backward()
    for rows in vectors.values():
        assert rows.grad is not None
        assert bool((rows.grad.abs().sum(dim=1) > 0).all())
    pipeline = backbone.sampler("text", "ddim")
    modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert len(modules) == 2 + len(vectors)
    assert all(parameter.grad is None for module in modules for parameter in module.parameters())


def test_the_pooled_state_is_the_end_tokens_where_the_configuration_has_the_old_end_token(
    backbones: dict[Family, Backbone], tiny_sdxl: Path, tmp_path: Path
):
    folder = tmp_path / "old"
    shutil.copytree(tiny_sdxl, folder)
    path = folder / "text_encoder_2" / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), "eos_token_id": 2}  # as in the published SDXL
    path.write_text(json.dumps(config), encoding="utf-8")
    old, words = Backbone.load(str(folder), "cpu", torch.float32), {TOKEN: vectors_for(backbones["sdxl"], 2)}
    prompts = [f"a photo of {TOKEN}", f"{TOKEN} painting"]
    assert_same(old.encode_prompts(prompts, words), backbones["sdxl"].encode_prompts(prompts, words))


def test_each_row_may_have_its_own_vectors_for_one_token(backbone: Backbone):
    prompts = [f"a photo of {TOKEN}", f"a red {TOKEN}", "a dog"]
    words = [{TOKEN: vectors_for(backbone, 2, seed=1)}, {TOKEN: vectors_for(backbone, 1, seed=2)}, {}]
    together = backbone.encode_prompts(prompts, words)
    for row, (prompt, known) in enumerate(zip(prompts, words, strict=True)):
        assert_same(together[row : row + 1], backbone.encode_prompts([prompt], known))
    swapped = backbone.encode_prompts(prompts[:1], words[1])
    assert not torch.allclose(together.hidden[:1], swapped.hidden, atol=1e-3)


def test_threads_with_different_vectors_get_their_own_results(sd1: Backbone):
    words = [{TOKEN: vectors_for(sd1, 1, seed)} for seed in range(2)]
    alone = [sd1.encode_prompts([f"a {TOKEN}"], known).hidden for known in words]
    assert not torch.allclose(*alone, atol=1e-3)
    start = threading.Barrier(2)

    def encode(which: int) -> list[torch.Tensor]:
        start.wait(timeout=10)
        return [sd1.encode_prompts([f"a {TOKEN}"], words[which]).hidden for _ in range(20)]

    with ThreadPoolExecutor(2) as threads:
        for expected, results in zip(alone, threads.map(encode, range(2)), strict=True):
            assert all(torch.equal(result, expected) for result in results)


def test_unknown_tokens_are_named_with_the_closest_known_ones(sd1: Backbone):
    with pytest.raises(UnknownTokenError, match="<our-cta>.*Did you mean <our-cat>"):
        sd1.encode_prompts(["a photo of <our-cta>"], {TOKEN: vectors_for(sd1)})
    with pytest.raises(UnknownTokenError, match="Load the concept"):
        sd1.encode_prompts(["a photo of <our-cat>"])
    with pytest.raises(UnknownTokenError):
        sd1.count_tokens("a <dog>", {})
    for prompt in ("<1(a:1)>", r"<1\a>"):  # tokens once the brackets and the backslash are gone
        with pytest.raises(UnknownTokenError, match="<1a>"):
            sd1.encode_prompts([prompt])
    with pytest.raises(PromptError):
        sd1.encode_prompts(["a (cat:99)"])


# --- prompts of more than one chunk -----------------------------------------------------------------------


def test_a_long_prompt_takes_several_chunks_and_short_ones_beside_it_are_told_apart(backbone: Backbone):
    assert backbone.count_tokens(LONG, {}).chunks == 2
    encoded = backbone.encode_prompts([LONG, "a cat", LONG * 2])
    assert encoded.hidden.shape == (3, 3 * 77, sum(backbone.base.widths.values()))
    assert encoded.lengths is not None
    assert encoded.lengths.tolist() == [154, 77, 231]
    assert backbone.encode_prompts([LONG, LONG]).lengths is None


def test_a_short_prompt_beside_a_long_one_predicts_as_it_does_alone(backbone: Backbone):
    latents, timesteps = latents_for(backbone, 2), torch.tensor([400, 400])
    together = backbone.encode_prompts(["a red cat", LONG])
    alone = backbone.encode_prompts(["a red cat"])
    prediction = backbone.predict(latents, timesteps, together)
    expected = backbone.predict(latents[:1], timesteps[:1], alone)
    torch.testing.assert_close(prediction[:1], expected, rtol=0, atol=1e-5)
    filled_up = Conditioning(together.hidden, together.pooled)
    assert not torch.allclose(backbone.predict(latents, timesteps, filled_up)[:1], expected, atol=1e-5)


def test_so_it_does_in_a_model_that_pools_all_positions():
    toybox = Backbone.load("toybox", device="cpu", dtype=torch.float32)
    assert toybox.unet.config.addition_embed_type == "text"
    latents = torch.randn(3, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([400, 300, 600])
    prompts = [LONG, "a red cat", LONG * 2]
    together = toybox.predict(latents, timesteps, toybox.encode_prompts(prompts))
    for row, prompt in enumerate(prompts):
        alone = toybox.predict(
            latents[row : row + 1], timesteps[row : row + 1], toybox.encode_prompts([prompt])
        )
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


def test_each_chunk_is_encoded_like_a_prompt_of_its_own(sd1: Backbone):
    first, second = " ".join(["cat"] * 75), "a dog"
    encoded = sd1.encode_prompts([f"{first} {second}"])
    torch.testing.assert_close(encoded.hidden[:, :77], sd1.encode_prompts([first]).hidden)
    torch.testing.assert_close(encoded.hidden[:, 77:], sd1.encode_prompts([second]).hidden)


def test_neither_a_concept_nor_a_word_is_torn_between_chunks(backbone: Backbone):
    words = {TOKEN: vectors_for(backbone, 3)}
    filler = " ".join(["cat"] * 73)
    for last in (TOKEN, "xyz"):
        encoded = backbone.encode_prompts([f"{filler} {last}"], words)
        torch.testing.assert_close(encoded.hidden[:, :77], backbone.encode_prompts([filler]).hidden)
        torch.testing.assert_close(encoded.hidden[:, 77:], backbone.encode_prompts([last], words).hidden)


def test_tokens_are_counted_without_start_and_end(backbone: Backbone):
    words = {TOKEN: vectors_for(backbone, 3)}
    counts = {
        prompt: (count.tokens, count.chunks)
        for prompt in ("", "a red cat", f"a photo of {TOKEN}", "(cat:1.3) xyz", "cat " * 75, "cat " * 76)
        for count in [backbone.count_tokens(prompt, words)]
    }
    assert list(counts.values()) == [(0, 1), (3, 1), (6, 1), (4, 1), (75, 1), (76, 2)]


# --- weights ----------------------------------------------------------------------------------------------


def test_a_weight_of_one_changes_nothing(backbone: Backbone):
    assert_same(backbone.encode_prompts(["a (cat:1.0) dog"]), backbone.encode_prompts(["a cat dog"]), 0)


@pytest.mark.parametrize("word", ["cat", TOKEN])
def test_a_weight_scales_the_distance_from_the_empty_prompt_at_its_word_only(backbone: Backbone, word: str):
    words = {TOKEN: vectors_for(backbone, 2)}
    length = 1 if word == "cat" else 2
    plain = backbone.encode_prompts([f"a {word} dog"], words)
    weighted = backbone.encode_prompts([f"a ({word}:1.5) dog"], words)
    empty = backbone.encode_prompts([""]).hidden
    expected = plain.hidden.clone()
    places = slice(2, 2 + length)  # behind the start token and "a"
    expected[:, places] = empty[:, places] + 1.5 * (plain.hidden - empty)[:, places]
    assert_same(weighted, Conditioning(expected, plain.pooled))
    assert not torch.allclose(weighted.hidden[:, places], plain.hidden[:, places], atol=1e-3)


def test_a_weight_in_the_second_chunk_acts_there(sd1: Backbone):
    filler = " ".join(["cat"] * 75)
    encoded = sd1.encode_prompts([f"{filler} (dog:1.5)"])
    expected = sd1.encode_prompts([filler, "(dog:1.5)"]).hidden.reshape(1, 154, -1)
    torch.testing.assert_close(encoded.hidden, expected)


# --- pictures and denoising -------------------------------------------------------------------------------


def test_pictures_are_encoded_to_the_scaled_posterior(backbone: Backbone):
    side = backbone.resolution
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    posterior = backbone.encode_pictures(pixels)
    with torch.no_grad():
        expected = backbone.vae.encode(pixels).latent_dist
    scale = backbone.vae.config.scaling_factor
    torch.testing.assert_close(posterior.mean, expected.mean * scale)
    torch.testing.assert_close(posterior.std, expected.std * scale)
    noise = torch.ones_like(posterior.mean)
    torch.testing.assert_close(posterior.sample(noise), (expected.mean + expected.std) * scale)


def test_predict_is_the_unet(backbone: Backbone):
    latents, timesteps = latents_for(backbone, 2), torch.tensor([10, 900])
    conditioning = backbone.encode_prompts(["a cat", "a red dog"])
    side = float(backbone.resolution)
    added = None
    if conditioning.pooled is not None:
        time_ids = torch.tensor([[side, side, 0, 0, side, side]] * 2)
        added = {"text_embeds": conditioning.pooled, "time_ids": time_ids}
    expected = backbone.unet(latents, timesteps, conditioning.hidden, added_cond_kwargs=added).sample
    torch.testing.assert_close(backbone.predict(latents, timesteps, conditioning), expected)


def test_noise_is_mixed_in_and_the_target_is_noise_or_velocity(backbone: Backbone):
    latents, noise = latents_for(backbone, 2, seed=1), latents_for(backbone, 2, seed=2)
    timesteps = torch.tensor([0, 700])
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = torch.cumprod(1 - betas, dim=0)[timesteps].reshape(2, 1, 1, 1)
    noisy = alphas.sqrt() * latents + (1 - alphas).sqrt() * noise
    torch.testing.assert_close(backbone.add_noise(latents, noise, timesteps), noisy)
    velocity = alphas.sqrt() * noise - (1 - alphas).sqrt() * latents
    expected = velocity if backbone.base.family == "sd2" else noise
    torch.testing.assert_close(backbone.target(latents, noise, timesteps), expected)


def test_min_snr_weights_are_those_of_the_paper(backbone: Backbone):
    timesteps, gamma = torch.tensor([0, 100, 400, 999]), 5.0
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = np.cumprod(1 - betas)[timesteps.numpy()]
    snr = alphas / (1 - alphas)
    divisor = snr + 1 if backbone.base.family == "sd2" else snr
    expected = torch.tensor(np.minimum(snr, gamma) / divisor, dtype=torch.float32)
    torch.testing.assert_close(backbone.min_snr_weights(timesteps, gamma), expected, rtol=1e-3, atol=0)


def test_gradient_checkpointing_gives_the_same_gradient_and_is_undone(sd1: Backbone):
    def gradient(checkpointed: bool) -> torch.Tensor:
        rows = vectors_for(sd1)["clip_l"].requires_grad_()
        with sd1.gradient_checkpointing(checkpointed):
            assert sd1.unet.is_gradient_checkpointing == checkpointed
            conditioning = sd1.encode_prompts([TOKEN], {TOKEN: {"clip_l": rows}})
            sd1.predict(latents_for(sd1, 1), torch.tensor([300]), conditioning).sum().backward()
        assert rows.grad is not None
        return rows.grad

    torch.testing.assert_close(gradient(True), gradient(False))
    assert not sd1.unet.is_gradient_checkpointing


# --- the vocabulary ---------------------------------------------------------------------------------------


def test_whole_words_are_single_tokens_of_the_table(backbone: Backbone):
    words = backbone.vocabulary.whole_words
    assert {"cat", "photo", "of", "dog", "toy", "painting"} <= words.keys()
    table = next(iter(backbone.vocabulary.tables().values()))
    rows = next(iter(backbone.vocabulary.phrase_vectors("cat").values()))
    assert torch.equal(rows, table[[words["cat"]]])


def test_initial_vectors_are_the_phrase_cycled_or_averaged(backbone: Backbone):
    for name, rows in backbone.vocabulary.phrase_vectors("red toy cat").items():
        red, toy, cat = rows
        expected = {
            1: [(red + toy + cat) / 3],
            2: [(red + toy) / 2, cat],
            3: [red, toy, cat],
            5: [red, toy, cat, red, toy],
        }
        for count, wanted in expected.items():
            torch.testing.assert_close(
                backbone.vocabulary.initial_vectors("red toy cat", count)[name], torch.stack(wanted)
            )


def test_initial_vectors_are_not_the_table_itself(sd1: Backbone):
    before = sd1.vocabulary.phrase_vectors("cat")["clip_l"]
    sd1.vocabulary.initial_vectors("cat", 1)["clip_l"].zero_()
    assert torch.equal(sd1.vocabulary.phrase_vectors("cat")["clip_l"], before)


def test_a_phrase_without_tokens_is_refused(sd1: Backbone):
    with pytest.raises(ConfigError, match="nothing in it"):
        sd1.vocabulary.initial_vectors("  ", 1)


def test_learning_rates_scale_with_the_table(tiny_sd1: Path):
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_sd1, safety_checker=None, requires_safety_checker=False
    )
    table = pipeline.text_encoder.get_input_embeddings().weight
    with torch.no_grad():
        table.copy_(torch.full_like(table, 0.0139))  # as Stable Diffusion 1's
    rate = Backbone(pipeline, "flat", CPU, torch.float32).learning_rates()["clip_l"]
    assert rate == pytest.approx(5e-3, rel=0.01)
    with torch.no_grad():
        table.mul_(3)
    tripled = Backbone(pipeline, "flat", CPU, torch.float32).learning_rates()["clip_l"]
    assert tripled == pytest.approx(3 * rate)


def test_mean_norms_are_those_of_the_tables(backbone: Backbone):
    for name, table in backbone.vocabulary.tables().items():
        expected = np.linalg.norm(table.detach().numpy(), axis=1).mean()
        assert backbone.vocabulary.mean_norms[name] == pytest.approx(expected, rel=1e-5)


# --- sampling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_draws_a_picture(backbone: Backbone, scheduler: str):
    conditioning = backbone.encode_prompts([f"a photo of {TOKEN}", ""], {TOKEN: vectors_for(backbone)})
    pictures = backbone.sampler("text", scheduler)(
        **backbone.sampler_conditioning(conditioning[:1], conditioning[1:]),
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    assert pictures.shape == (1, backbone.resolution, backbone.resolution, 3)
    assert np.isfinite(pictures).all()
    assert pictures.std() > 0.01


def test_a_picture_is_drawn_from_a_picture(backbone: Backbone):
    conditioning = backbone.encode_prompts(["a cat", ""])
    side = backbone.resolution
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    start = backbone.encode_pictures(pixels).mean

    def draw(strength: float) -> np.ndarray:
        return backbone.sampler("picture", "ddim")(
            **backbone.sampler_conditioning(conditioning[:1], conditioning[1:]),
            image=start,
            strength=strength,
            num_inference_steps=4,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).images

    assert draw(0.5).shape == (1, side, side, 3)
    assert not np.allclose(draw(0.5), draw(1.0), atol=1e-3)


def test_samplers_share_the_weights_and_nothing_that_changes(backbone: Backbone):
    text, picture = backbone.sampler("text", "ddim"), backbone.sampler("picture", "euler")
    for sampler in (text, picture):
        assert sampler.unet is backbone.unet
        assert sampler.vae is backbone.vae
    assert text.text_encoder is picture.text_encoder
    assert type(text.scheduler).__name__ == "DDIMScheduler"
    assert type(picture.scheduler).__name__ == "EulerDiscreteScheduler"
    again = backbone.sampler("text", "unipc")
    assert again.scheduler is not text.scheduler
    assert type(text.scheduler).__name__ == "DDIMScheduler"
    assert again.scheduler.config.prediction_type == backbone.noise_scheduler.config.prediction_type


def test_an_unknown_scheduler_is_refused(sd1: Backbone):
    with pytest.raises(ConfigError, match="called fastest: choose ddim, "):
        sd1.sampler("text", "fastest")


# --- the model --------------------------------------------------------------------------------------------


def test_the_base_names_family_widths_and_resolution(backbones: dict[Family, Backbone]):
    facts = {family: (it.base.id, it.base.family, dict(it.base.widths)) for family, it in backbones.items()}
    assert facts == {
        "sd1": ("tiny-sd1", "sd1", {"clip_l": 32}),
        "sd2": ("tiny-sd2", "sd2", {"clip_h": 48}),
        "sdxl": ("tiny-sdxl", "sdxl", {"clip_l": 32, "clip_g": 48}),
    }
    sizes = {(it.resolution, it.pixels_per_latent, it.num_timesteps) for it in backbones.values()}
    assert sizes == {(16, 2, 1000)}


def test_concepts_of_another_model_or_of_one_name_are_refused(backbones: dict[Family, Backbone]):
    concept = concept_for(backbones["sd1"])
    with pytest.raises(IncompatibleConceptError, match="tiny-sd1.*tiny-sdxl"):
        vectors_by_token([concept], backbones["sdxl"].base)
    with pytest.raises(ConfigError, match="Two concepts are called <our-cat>"):
        vectors_by_token([concept, concept_for(backbones["sd1"], seed=1)], backbones["sd1"].base)
    foreign = concept_for(backbones["sd2"], token="<our-ink>")
    with pytest.raises(IncompatibleConceptError, match="<our-cat> .* tiny-sd1 and <our-ink> on tiny-sd2"):
        vectors_by_token([concept, foreign], backbones["sd1"].base)
    other = concept_for(backbones["sd1"], token="<our-dog>")
    assert vectors_by_token([concept, other], backbones["sd1"].base).keys() == {TOKEN, "<our-dog>"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_same_model_and_draws(backbone: Backbone, folder_of, dtype: torch.dtype):
    half = Backbone.load(str(folder_of(backbone)), device="cpu", dtype=dtype)
    assert half.base == backbone.base
    side = half.resolution
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean = half.encode_pictures(pixels).mean
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, backbone.encode_pictures(pixels).mean, rtol=0.1, atol=0.02)
    words = {TOKEN: vectors_for(half)}
    conditioning = half.encode_prompts([f"a photo of {TOKEN}", ""], words)
    assert conditioning.hidden.dtype == dtype
    prediction = half.predict(latents_for(half, 2), torch.tensor([100, 100]), conditioning)
    assert prediction.dtype == torch.float32
    arguments = half.sampler_conditioning(conditioning[:1], conditioning[1:])
    options = {"num_inference_steps": 2, "output_type": "latent", **arguments}
    drawn = half.sampler("text", "ddim")(**options).images
    redrawn = half.sampler("picture", "ddim")(image=mean, strength=0.9, **options).images
    for latents in (drawn, redrawn):
        assert latents.dtype == dtype
        assert bool(torch.isfinite(half.decode_latents(latents)).all())
    assert half.unet.dtype == dtype
    assert half.vae.dtype == (torch.float32 if dtype == torch.float16 else dtype)


def test_other_weights_have_another_fingerprint(sd1: Backbone, tmp_path: Path):
    other = Backbone.load(str(save_tiny_model("sd1", tmp_path / "tiny-sd1", seed=1)), "cpu", torch.float32)
    assert other.base.fingerprint != sd1.base.fingerprint
    assert not other.base.fits(sd1.base)
    assert BaseModel("renamed", "sd1", other.base.widths, other.base.fingerprint).fits(sd1.base)


def test_half_precision_files_have_the_fingerprint_of_the_full_ones(
    sd1: Backbone, tiny_sd1: Path, tmp_path: Path
):
    half = StableDiffusionPipeline.from_pretrained(tiny_sd1, dtype=torch.float16)
    half.save_pretrained(tmp_path / "half")
    loaded = Backbone.load(str(tmp_path / "half"), "cpu", torch.float32)
    assert loaded.base.fingerprint == sd1.base.fingerprint


def test_the_fastest_dtype_computes():
    dtype = fastest_dtype(CPU)
    assert dtype in (torch.float32, torch.bfloat16, torch.float16)
    result = torch.nn.functional.conv2d(
        torch.ones(1, 4, 8, 8, dtype=dtype), torch.ones(4, 4, 3, 3, dtype=dtype)
    )
    assert bool((result == 36).all())
    assert best_device().type in ("cpu", "cuda", "mps")


def test_a_full_memory_is_an_error_of_our_own():
    with (
        pytest.raises(GenerationError, match="memory is full: draw less"),
        out_of_memory_as(GenerationError, Message("The memory is full: draw less.")),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")


def cut(file: str):
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-1000])


def no_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def no_unet_weights(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


def broken_config(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text("{", encoding="utf-8")


def no_text_config(folder: Path) -> None:
    (folder / "text_encoder" / "config.json").unlink()


def another_text_width(folder: Path) -> None:
    path = folder / "unet" / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), "cross_attention_dim": 16}
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_index, "has no model_index.json"),
        (cut("unet/diffusion_pytorch_model.safetensors"), "could not be loaded"),
        (cut("text_encoder/model.safetensors"), "could not be loaded"),
        (no_unet_weights, "no file named"),
        (broken_config, "unet/config.json of .* is damaged"),
        (another_text_width, "could not be loaded"),
        (no_text_config, "could not be loaded"),
    ],
)
def test_a_damaged_model_is_a_model_error(tiny_sd1: Path, tmp_path: Path, damage, message: str):
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_sd1, folder)
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        Backbone.load(str(folder), "cpu", torch.float32)
    assert str(folder) in str(caught.value)


def test_a_model_that_is_nowhere_is_a_model_error(tmp_path: Path):
    with pytest.raises(ModelError, match="There is no model called .*choose toybox"):
        Backbone.load(str(tmp_path / "nowhere"), "cpu")
    with pytest.raises(ModelError, match="nobody/nothing"):
        Backbone.load("nobody/nothing", "cpu", torch.float32)

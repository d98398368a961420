"""Loading a base model from one checkpoint file: safely, recognised by its tensors, equal to its folder."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from helpers.checkpoints import checkpoint_of
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor

from ti_core.drawing.generate import generate
from ti_core.drawing.settings import GenerationSettings
from ti_core.errors import ModelError
from ti_core.model import loading
from ti_core.model.backbone import Backbone
from ti_core.model.checkpoints import INPUT_KEY, OUTPUT_KEY, REFINER_KEY, family_of_shapes, read_shapes
from ti_core.model.loading import predicts_noise
from ti_core.model.sources import ModelSource, model_id, model_source
from ti_core.resources import ASSETS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tiny_sd1: Path) -> dict[str, torch.Tensor]:
    return checkpoint_of(tiny_sd1)


@pytest.fixture
def configuration(tiny_sd1: Path, tmp_path: Path) -> Path:
    """The model's folder without its weights."""
    folder = tmp_path / "some-model"
    shutil.copytree(tiny_sd1, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def save(file: Path, checkpoint: dict[str, torch.Tensor]) -> Path:
    if file.suffix == ".safetensors":
        save_file(checkpoint, file)
    else:
        torch.save({"state_dict": checkpoint, "global_step": 7}, file)
    return file


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_a_checkpoint_is_the_same_model_as_its_folder(
    checkpoint: dict[str, torch.Tensor], configuration: Path, tiny_sd1: Path, suffix: str
) -> None:
    file = save(configuration.with_suffix(suffix), checkpoint)
    from_file = Backbone.load(str(file), "cpu", torch.float32)
    from_folder = Backbone.load(str(tiny_sd1), "cpu", torch.float32)
    assert from_file.base.id == "some-model"
    assert from_file.base.fingerprint == from_folder.base.fingerprint
    assert from_file.resolution == from_folder.resolution
    latents, timesteps = torch.ones(1, 4, 8, 8), torch.tensor([500])
    one, other = (
        model.predict(latents, timesteps, model.encode_prompts(["a red cat"]))
        for model in (from_file, from_folder)
    )
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(from_file.decode_latents(latents), from_folder.decode_latents(latents))


def test_a_checkpoint_is_loaded_in_the_precision_that_it_is_computed_in(
    checkpoint: dict[str, torch.Tensor], configuration: Path, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the text encoder is loaded in float32, because its fingerprint is taken from that."""
    dtypes: dict[str, torch.dtype] = {}

    def load(*arguments: Any, **options: Any) -> Any:
        pipeline = from_single_file(*arguments, **options)
        dtypes.update({part: getattr(pipeline, part).dtype for part in ("unet", "vae", "text_encoder")})
        return pipeline

    from_single_file = StableDiffusionPipeline.from_single_file
    monkeypatch.setattr(StableDiffusionPipeline, "from_single_file", load)
    file = save(configuration.with_suffix(".safetensors"), checkpoint)
    half = Backbone.load(str(file), "cpu", torch.bfloat16)
    assert dtypes == {"unet": torch.bfloat16, "vae": torch.bfloat16, "text_encoder": torch.float32}
    assert half.base.fingerprint == Backbone.load(str(tiny_sd1), "cpu", torch.float32).base.fingerprint


@pytest.mark.parametrize(("finds_noise", "prediction"), [(True, "epsilon"), (False, "v_prediction")])
def test_without_a_folder_beside_it_the_family_s_configuration_is_fetched(
    checkpoint: dict[str, torch.Tensor],
    configuration: Path,
    monkeypatch: pytest.MonkeyPatch,
    finds_noise: bool,
    prediction: str,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(loading, "fetch_configuration", lambda name: (asked.append(name), configuration)[1])
    monkeypatch.setattr(loading, "predicts_noise", lambda unet, device: finds_noise)
    file = save(configuration.parent / "other.safetensors", checkpoint)
    backbone = Backbone.load(str(file), "cpu", torch.float32)
    assert asked == ["stable-diffusion-v1-5/stable-diffusion-v1-5"]
    assert backbone.noise_scheduler.config.prediction_type == prediction
    assert backbone.base.family == "sd1"


def test_a_configuration_that_cannot_be_fetched_is_named(
    checkpoint: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    file = save(tmp_path / "alone.safetensors", checkpoint)
    with pytest.raises(
        ModelError, match="alone.safetensors needs the configuration of stable.*downloaded once.*internet"
    ):
        Backbone.load(str(file), "cpu", torch.float32)


def test_a_memory_that_is_full_while_loading_is_an_error_with_advice(
    checkpoint: dict[str, torch.Tensor], configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(unet: Any, device: torch.device) -> bool:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loading, "fetch_configuration", lambda name: configuration)
    monkeypatch.setattr(loading, "predicts_noise", full)
    file = save(configuration.parent / "other.safetensors", checkpoint)
    with pytest.raises(ModelError, match="memory of the device is full: choose a smaller model"):
        Backbone.load(str(file), "cpu", torch.float32)


class _Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_with_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for number, protocol in enumerate((2, 4)):
        file = tmp_path / f"trap{number}.ckpt"
        file.write_bytes(pickle.dumps({"state_dict": _Trap(trace)}, protocol=protocol))
        with pytest.raises(ModelError, match="cannot be read as a checkpoint|could run foreign code"):
            read_shapes(file)
    file = tmp_path / "trap.ckpt"
    torch.save({"state_dict": {INPUT_KEY: torch.zeros(1)}, "callbacks": _Trap(trace)}, file)
    with pytest.raises(ModelError, match="could run foreign code: choose the model as .safetensors"):
        Backbone.load(str(file), "cpu", torch.float32)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["empty.ckpt", "empty.safetensors", "text.ckpt", "text.safetensors"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"" if name.startswith("empty") else b"version https://git-lfs.github.com/spec/v1\n" * 9)
    with pytest.raises(ModelError, match=f"{name} "):
        Backbone.load(str(file), "cpu", torch.float32)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (1,)}, "sd1"),
        ({"cond_stage_model.model.token_embedding.weight": (1,)}, "sd2"),
        (
            {
                "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (1,),
                "conditioner.embedders.1.model.token_embedding.weight": (1,),
            },
            "sdxl",
        ),
    ],
)
def test_the_family_is_told_by_the_text_encoder(shapes: dict[str, Any], expected: str) -> None:
    assert (
        family_of_shapes("m", {INPUT_KEY: (320, 4, 3, 3), OUTPUT_KEY: (4, 320, 3, 3), **shapes}) == expected
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"lora_unet_down.weight": (1,)}, "m holds no whole Stable Diffusion model"),
        ({INPUT_KEY: (320, 9, 3, 3), OUTPUT_KEY: (4, 320, 3, 3)}, "m is an inpainting model"),
        ({INPUT_KEY: (320, 4, 3, 3), REFINER_KEY: (1,)}, "m is a refiner"),
        ({INPUT_KEY: (320, 4, 3, 3)}, "m has no text encoder that is known"),
    ],
)
def test_what_is_no_base_model_is_refused(shapes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        family_of_shapes("m", shapes)


class _Noise(torch.nn.Module):
    """A denoiser that predicts velocity, converted to predict noise."""

    def __init__(self, unet: Any, alpha: float):
        super().__init__()
        self.unet, self.alpha, self.config, self.dtype = unet, alpha, unet.config, unet.dtype
        self.moves: list[Any] = []

    def to(self, device: Any) -> _Noise:
        self.moves.append(device)
        return self

    def forward(self, noisy: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        output = self.unet(noisy, *arguments, **options)
        output.sample = self.alpha**0.5 * output.sample + (1 - self.alpha) ** 0.5 * noisy
        return output


def test_what_a_trained_denoiser_predicts_is_found_out() -> None:
    unet = UNet2DConditionModel.from_pretrained(ASSETS / "toybox" / "unet").float()
    assert not predicts_noise(unet, CPU)
    of_noise = _Noise(unet, alpha=0.0047)
    assert predicts_noise(of_noise, CPU)
    assert of_noise.moves == [CPU, "cpu"]  # to the device, and off it again


# --- tokenizers ---------------------------------------------------------------------------------------------


def no_tokenizer(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")


def another_tokenizer(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(ASSETS / "toybox" / "tokenizer", folder / "tokenizer")


def configured(**values: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "text_encoder" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


@pytest.mark.parametrize("damage", [no_tokenizer, another_tokenizer, configured(eos_token_id=7)])
def test_a_model_without_the_tokenizer_of_its_text_encoder_is_refused(
    tiny_sd1: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_sd1, folder)
    damage(folder)
    with pytest.raises(ModelError, match="model has no tokenizer that fits .*: fetch its files again"):
        Backbone.load(str(folder), "cpu", torch.float32)


def test_a_checkpoint_needs_the_tokenizer_too(
    checkpoint: dict[str, torch.Tensor], configuration: Path
) -> None:
    no_tokenizer(configuration)
    file = save(configuration.with_suffix(".safetensors"), checkpoint)
    with pytest.raises(ModelError, match="some-model.safetensors has no tokenizer that fits"):
        Backbone.load(str(file), "cpu", torch.float32)


def test_added_tokens_and_the_old_end_token_s_id_are_usual(tiny_sd1: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    pipeline.tokenizer.add_tokens(["<added>"])
    pipeline.text_encoder.resize_token_embeddings(len(pipeline.tokenizer))
    pipeline.save_pretrained(folder)
    configured(eos_token_id=2)(folder)
    assert Backbone.load(str(folder), "cpu", torch.float32).base.family == "sd1"
    pipeline.tokenizer.add_tokens(["<another>"])  # without a row of its own
    pipeline.tokenizer.save_pretrained(folder / "tokenizer")
    with pytest.raises(ModelError, match="has no tokenizer that fits"):
        Backbone.load(str(folder), "cpu", torch.float32)


# --- where models come from ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("owner/name", ModelSource(None, "owner/name")),
        ("owner/name@v1.2", ModelSource(None, "owner/name", "v1.2")),
        ("owner/name@refs/pr/3", ModelSource(None, "owner/name", "refs/pr/3")),
        ("owner/name:fp16", ModelSource(None, "owner/name", None, "fp16")),
        ("o.w-n/n_a.m@main:fp16", ModelSource(None, "o.w-n/n_a.m", "main", "fp16")),
        ("sdxl", ModelSource(None, "stabilityai/stable-diffusion-xl-base-1.0")),
    ],
)
def test_a_repository_is_named_with_its_revision_and_variant(name: str, source: ModelSource) -> None:
    assert model_source(name) == source
    if name != "sdxl":
        assert str(source) == name
        assert model_id(name) == name.split(":")[0]


def test_a_model_is_called_as_its_folder_from_inside_it_too(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_sd1)
    assert model_id(".") == model_id(str(tiny_sd1)) == tiny_sd1.name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "There is no model called nothing: choose toybox, "),
        ("owner/name/more", "There is no model called"),
        ("owner/name@", "There is no model called"),
        ("../up", "There is no model called"),
        ("folder/model.safetensors", "There is no file folder/model.safetensors"),
        ("https://huggingface.co/owner/name", "is an address: give the repository as owner/name"),
    ],
)
def test_what_names_no_model_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        model_source(name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match="notes.txt is no checkpoint that can be loaded"):
        model_source(str(tmp_path / "notes.txt"))


# --- the safety checker -------------------------------------------------------------------------------------


@pytest.fixture
def guarded(tiny_sd1: Path, tmp_path: Path) -> Path:
    """A model with a tiny safety checker that hides every picture."""
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 16}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0)  # cosines are never below
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_sd1,
        safety_checker=checker,
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
        requires_safety_checker=True,
    )
    folder = tmp_path / "guarded"
    pipeline.save_pretrained(folder)
    index = folder / "model_index.json"  # as old models have it
    index.write_text(index.read_text().replace("CLIPImageProcessorPil", "CLIPFeatureExtractor"))
    return folder


def test_the_safety_checker_is_on_and_its_signs_are_no_pictures(guarded: Path, tiny_sd1: Path) -> None:
    settings = GenerationSettings("a cat", count=2, seed=5, steps=2)
    hidden = list(generate(Backbone.load(str(guarded), "cpu", torch.float32), settings))
    assert [picture.hidden for picture in hidden] == [True, True]
    assert [picture.recipe.seed for picture in hidden] == [5, 6]
    shown = list(generate(Backbone.load(str(guarded), "cpu", torch.float32, safety_checker=False), settings))
    assert not any(picture.hidden for picture in shown)
    plain = list(generate(Backbone.load(str(tiny_sd1), "cpu", torch.float32), settings))
    for sign, picture, same in zip(hidden, shown, plain, strict=True):
        assert sign.image.size == picture.image.size
        assert sign.image.tobytes() != picture.image.tobytes() == same.image.tobytes()
        assert len(sign.image.getcolors() or []) > 1  # it is not blank


def test_a_picture_that_the_checker_passes_is_shown(guarded: Path) -> None:
    backbone = Backbone.load(str(guarded), "cpu", torch.float32)
    assert backbone._checker is not None
    backbone._checker.concept_embeds_weights.data.fill_(2.0)
    [picture] = generate(backbone, GenerationSettings("a cat", count=1, steps=2))
    assert not picture.hidden

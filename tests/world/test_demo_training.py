"""Train the embedded model and its judge for seconds instead of hours."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from demo_model import autoencoder, captioned, judge, pairs, sharpen, train
from demo_model.architecture import PICTURE_SIZE, make_autoencoder, noise_schedule
from demo_model.processes import Processes
from demo_model.rendering import Renderer, render_chunk
from demo_model.world import FAMILIES, FamilyThing, NounThing, ParametricStyle
from demo_model.world.picture import CONJUNCTIONS
from ti_core.judging.judge import Judge

TOYBOX = Path(train.__file__).parent.parent / "assets" / "toybox"

pytestmark = pytest.mark.slow


def run_training(monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    monkeypatch.setattr(sys, "argv", ["demo_model.train", *words])
    monkeypatch.setattr(train, "TOKENIZER_CAPTIONS", 3000)
    monkeypatch.setattr(train, "FIRST_PICTURES", 32)
    monkeypatch.setattr(autoencoder, "BALANCING_CHUNKS", 1)
    train.main()


def saved(checkpoint: Path) -> tuple[int, float]:
    """Return the steps and the minutes of training in a checkpoint."""
    content = torch.load(checkpoint, weights_only=True)
    return content["step"], content["elapsed"] / 60


def test_a_model_is_trained_exported_resumed_and_trained_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, further = tmp_path / "first", tmp_path / "further"
    run_training(monkeypatch, minutes=0.12, autoencoder_minutes=0.06, batch_size=4, out=first)
    steps, minutes = saved(first / train.DENOISER_CHECKPOINT)
    assert steps > 0
    pipeline = StableDiffusionPipeline.from_pretrained(first)
    assert pipeline.vae.config.scaling_factor == 1.0
    assert len(pipeline.tokenizer("a cat").input_ids) == 4  # neither truncated nor padded by default
    assert pipeline.tokenizer.model_max_length == 77

    run_training(
        monkeypatch, minutes=0.06 + minutes + 0.06, autoencoder_minutes=0.06, batch_size=4, out=first
    )
    assert saved(first / train.DENOISER_CHECKPOINT)[0] > steps
    assert StableDiffusionPipeline.from_pretrained(first).vae.config.scaling_factor == 1.0

    run_training(monkeypatch, minutes=0.05, batch_size=4, start=first, out=further)
    weights = StableDiffusionPipeline.from_pretrained(further).vae.state_dict()
    for name, value in StableDiffusionPipeline.from_pretrained(first).vae.state_dict().items():
        assert torch.equal(weights[name], value)  # the autoencoder is not trained further
    assert {path.name for path in (further / "tokenizer").iterdir()} >= {"vocab.json", "merges.txt"}
    moved = [load_file(folder / train.SETTINGS_WORDS)["weight"].float() for folder in (first, further)]
    assert F.cosine_similarity(*(weights.flatten() for weights in moved), dim=0) > 0.9  # not random


def quick_run(processes: Processes, options: Namespace) -> None:
    """Run a training and save each process's final weights, an averaged gradient and a broadcast value."""
    train.FIRST_PICTURES = 32  # again, because a new process does not have the test's patches
    train_denoiser = train.train_denoiser

    def train_and_save(parts: train.Parts, *others: object) -> None:
        train_denoiser(parts, *others)
        torch.save(parts.trained.state_dict(), options.out / f"{processes.rank}.pt")

    train.train_denoiser = train_and_save
    train.run(processes, options)
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (4,))]
    for number, weight in enumerate(weights):
        weight.grad = torch.full_like(weight, float(processes.rank + 10 * number))
    processes.average_gradients(weights)
    shared = [weight.grad for weight in weights], processes.broadcast(processes.rank + 7)
    torch.save(shared, options.out / f"shared-{processes.rank}.pt")


def test_two_processes_learn_one_model_from_pictures_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "run", quick_run)
    run_training(monkeypatch, minutes=0.03, batch_size=4, workers=1, processes=2, start=TOYBOX, out=tmp_path)
    content = torch.load(tmp_path / train.DENOISER_CHECKPOINT, weights_only=True)
    assert content["samples"] == content["step"] * 2 * 4 > 0
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, weights in content["trained"].items():
        assert torch.equal(first[name], weights) and torch.equal(second[name], weights), name
    StableDiffusionPipeline.from_pretrained(tmp_path)
    for rank in (0, 1):
        [matrix, vector], value = torch.load(tmp_path / f"shared-{rank}.pt", weights_only=True)
        assert matrix.tolist() == [[0.5] * 3] * 2 and vector.tolist() == [10.5] * 4
        assert value == 7


def test_a_training_without_time_for_the_denoiser_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_training(monkeypatch, minutes=5, autoencoder_minutes=5, out=tmp_path / "model")
    assert stopped.value.code == 2
    assert "give more than --autoencoder-minutes" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_balanced_latents_decode_to_the_same_pictures_and_put_detail_last() -> None:
    torch.manual_seed(0)
    vae = make_autoencoder().eval()
    pictures = [
        autoencoder.to_unit_range(render_chunk(0, index).pixels[:8], torch.device("cpu"))
        for index in range(2)
    ]
    with torch.no_grad():
        before = vae.decode(vae.encode(pictures[0]).latent_dist.mean).sample
        autoencoder.balance_latents(vae, pictures)
        latents = vae.encode(pictures[0]).latent_dist.mean
        after = vae.decode(latents).sample
        layout, detail = latents[:, :3].std((0, 2, 3)), latents[:, 3:].std((0, 2, 3))
    assert torch.allclose(before, after, atol=1e-3)
    assert latents.mean((0, 2, 3)).abs().max() < 0.5
    assert layout.max() == pytest.approx(1, abs=0.2)
    assert detail.max() < layout.min()  # this untrained autoencoder reconstructs only colours


def test_an_untrained_autoencoder_already_keeps_the_colours() -> None:
    torch.manual_seed(0)
    vae = make_autoencoder().eval()
    pictures = autoencoder.to_unit_range(render_chunk(0, 0).pixels, torch.device("cpu"))
    assert autoencoder.validate_autoencoder(vae, pictures) > 14


def test_the_renderer_goes_on_where_it_is_told() -> None:
    with Renderer(partial(render_chunk, 3), workers=1) as renderer:
        renderer.seek(5)
        chunk = renderer.take()
    expected = render_chunk(3, 5)
    assert np.array_equal(chunk.pixels, expected.pixels)
    assert chunk.captions == expected.captions
    assert chunk.settings_captions == expected.settings_captions


def test_captions_of_settings_move_the_words_they_name_and_no_others(tmp_path: Path) -> None:
    device = torch.device("cpu")
    parts = train.load_parts(Namespace(start=TOYBOX, out=tmp_path), device)
    pool = captioned.LatentPool(parts.vae, parts.tokenizer, parts.text_encoder, device)
    pool.add(render_chunk(0, 1))
    torch.manual_seed(0)
    _, tokens, named = pool.sample(400, train.SHORT_CAPTION)
    words = parts.tokenizer.batch_decode(tokens[named.rows, named.places][:, None])
    subjects = [captioned.SUBJECT_KINDS[kind] for kind in named.kinds]
    assert 100 < len(words) < 300
    for word, subject in zip(words, subjects, strict=True):
        assert word == {"style": "illustration"}.get(subject, word if subject == "noun" else subject)

    vectors = parts.settings_words(named.kinds, named.numbers)
    table = parts.text_encoder.get_input_embeddings()
    with captioned.added_to_words(parts.text_encoder, named, vectors):
        moved = table(tokens) - table.weight[tokens]
    assert torch.allclose(moved[named.rows, named.places], vectors, atol=1e-6)
    moved[named.rows, named.places] = 0
    assert not moved.any()


def test_the_autoencoder_is_trained_on_and_resumed_and_the_latents_stay_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(minutes: float) -> tuple[int, float]:
        words = [f"--start={TOYBOX}", f"--minutes={minutes}", f"--out={tmp_path}", "--batch-size=4"]
        monkeypatch.setattr(sys, "argv", ["demo_model.sharpen", *words])
        sharpen.main()
        return saved(tmp_path / sharpen.CHECKPOINT)

    monkeypatch.setattr(sharpen, "FIRST_PICTURES", 32)
    steps, minutes = run(0.1)
    assert run(minutes + 0.05)[0] > steps
    before = AutoencoderKL.from_pretrained(TOYBOX / "vae").requires_grad_(False)
    after = AutoencoderKL.from_pretrained(tmp_path).requires_grad_(False)
    changed = {
        name.split(".")[0]
        for name, value in after.state_dict().items()
        if value.ne(before.state_dict()[name]).any()
    }
    assert changed == {"encoder", "quant_conv", "post_quant_conv", "decoder"}
    pictures = autoencoder.to_unit_range(render_chunk(1, 0).pixels, torch.device("cpu"))
    latents = [vae.encode(pictures).latent_dist.mean for vae in (before, after)]
    drift = (latents[1] - latents[0]).square().mean((0, 2, 3)) / latents[0].var((0, 2, 3))
    assert (drift < 0.05).all()
    quality = [autoencoder.validate_autoencoder(vae, pictures) for vae in (before, after)]
    assert quality[1] > quality[0] - 0.3


@torch.no_grad()
def test_redenoised_latents_show_the_same_picture_with_other_details() -> None:
    torch.manual_seed(0)
    pipeline = StableDiffusionPipeline.from_pretrained(TOYBOX, dtype=torch.float32)
    latents, redenoised, pixels = sharpen.with_latents(pipeline, render_chunk(0, 0), torch.device("cpu"))
    assert redenoised.shape == latents.shape == (32, 8, 16, 16)
    assert pixels.shape == (32, 3, PICTURE_SIZE, PICTURE_SIZE)
    likeness = F.cosine_similarity(latents.float().flatten(1), redenoised.float().flatten(1))
    assert 0.85 < likeness.mean() < 0.98


def test_the_loss_weighs_noisy_pictures_alike_and_nearly_clean_ones_less() -> None:
    alphas = noise_schedule(train.PREDICTION).alphas_cumprod
    weights, snr = train.loss_weights(alphas), alphas / (1 - alphas)
    assert torch.allclose(weights[snr < 1], torch.ones(()))
    assert torch.allclose(
        weights[snr > train.SNR_GAMMA] * (snr + 1)[snr > train.SNR_GAMMA], torch.tensor(train.SNR_GAMMA)
    )


def test_a_judge_is_trained_exported_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(minutes: float) -> tuple[int, float]:
        words = [f"--minutes={minutes}", f"--out={tmp_path}", "--pairs=8"]
        monkeypatch.setattr(sys, "argv", ["demo_model.judge", *words])
        judge.main()
        return saved(tmp_path / judge.CHECKPOINT)

    steps, minutes = run(0.05)
    assert steps > 0
    assert run(minutes + 0.05)[0] > steps
    model = CLIPModel.from_pretrained(tmp_path)
    assert model.config.likeness == {kind: list(ends) for kind, ends in judge.LIKENESS.items()}
    pixels = CLIPImageProcessor.from_pretrained(tmp_path)(Image.new("RGB", (40, 30)), return_tensors="pt")
    assert pixels["pixel_values"].shape == (1, 3, PICTURE_SIZE, PICTURE_SIZE)


def test_the_judge_learns_to_compare_what_it_compares_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ti_core.judging.judge.ten_views", lambda pictures: pictures[None])  # as in training
    tokenizer = CLIPTokenizer.from_pretrained(TOYBOX / "tokenizer")
    torch.manual_seed(0)
    model, pool = judge.make_judge(tokenizer), judge.PairPool(tokenizer, torch.device("cpu"))
    pool.add(pairs.render_pairs(judge.FIRST_SEED, 0))
    batch = pool.sample(8)
    processor = CLIPImageProcessor(
        do_resize=False, do_center_crop=False, do_rescale=False, do_normalize=False
    )
    features = Judge(model, processor, tokenizer, "new", torch.device("cpu")).image_features(
        list(batch.pictures[0])
    )
    seen = []
    reader = judge.SettingsReader()
    reader.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    judge.judge_loss(model, reader, judge.tokenize_names(tokenizer), batch)
    for kind, ends in judge.LIKENESS.items():
        compared = F.normalize(seen[0][0][:, slice(*ends)], dim=-1)
        assert torch.allclose(features.likeness[kind], compared, atol=1e-4)


def test_the_pairs_of_the_judge_share_a_thing_or_a_style_or_nothing() -> None:
    rng = np.random.default_rng(0)
    (first, second), thing = pairs.sample_thing_pair(rng, "cat")
    assert isinstance(thing, FamilyThing | NounThing)
    assert all(thing.name in view.captions[0] for view in (first, second))
    assert not np.array_equal(first.pixels, second.pixels)
    while True:
        (first, second), style = pairs.sample_style_pair(rng)
        if isinstance(style, ParametricStyle):
            break
    assert all(opens_with(view.captions[0], style.templates) for view in (first, second))
    assert first.captions != second.captions
    (first, second), shared = pairs.sample_different_pair(rng)
    assert shared is None
    assert all(any(f" {word} " in view.captions[0] for word in CONJUNCTIONS) for view in (first, second))


def opens_with(caption: str, templates: Sequence[str]) -> bool:
    return any(caption.startswith(template.format("")) for template in templates)


def test_a_thing_that_is_cut_from_a_picture_of_two_is_captioned_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "CROPPED_SHARE", 1.0)
    rng = np.random.default_rng(0)
    fish = FamilyThing(FAMILIES["fish"], FAMILIES["fish"].sample(rng))
    for _ in range(8):
        view = pairs.sample_portrait(rng, fish)
        assert view.pixels.shape == (PICTURE_SIZE, PICTURE_SIZE, 3)
        assert "fish" in view.captions[1]
        assert not any(f" {word} " in view.captions[1] for word in CONJUNCTIONS)


def test_pictures_with_one_caption_are_all_right_answers() -> None:
    similarities = torch.tensor([[0.0, 5.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    same = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert judge.contrastive_loss(similarities, same) < judge.contrastive_loss(similarities, torch.eye(3))

"""Training on tiny models of each family: what is learned, what stays frozen, and runs that share a batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.errors import ConfigError, PictureError, PromptError, TrainingError
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.pictures.prepare import Picture
from ti_core.training import loop, step
from ti_core.training import rows as training_rows
from ti_core.training.loop import evaluate_loss, train
from ti_core.training.preparation import check_initializer_and_captions, prepare
from ti_core.training.selection import has_levelled
from ti_core.training.state import Snapshot, TrainingState, current_concept, learned_concept
from ti_core.training.step import train_step

# Kernels sum in a different order for a different batch size. Adam divides a gradient by its own magnitude,
# so the rounding errors of its smallest components grow, to a few thousandths of a step; a step here is 0.02.
COMPANY_TOLERANCE = 5e-4


def make_pictures(count: int, seed: int = 0, caption: str | None = None) -> list[Picture]:
    """Pictures of coarse random colours, 16 × 16."""
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        image = coarse.resize((16, 16), Image.Resampling.BICUBIC)
        pictures.append(Picture(f"{number}.png", image, None, caption, (16, 16), ()))
    return pictures


def make_config(**changes) -> TrainingConfig:
    settings = {
        "token": "<x>",
        "initializer": "cat",
        "steps": 4,
        "batch_size": 1,
        "learning_rate": 0.02,
        "lr_warmup_steps": 0,
        "eval_every": 4,
        "eval_rows": 4,
        "stop": "never",
    }
    return TrainingConfig(**(settings | changes))


def learn(
    backbone: Backbone, config: TrainingConfig, pictures: Sequence[Picture] | None = None
) -> TrainingState:
    state = prepare(backbone, pictures or make_pictures(2), config)
    for _ in train(backbone, [state]):
        pass
    return state


def assert_same_vectors(one: TrainingState, other: TrainingState) -> None:
    for name, rows in one.vectors.items():
        assert torch.equal(rows, other.vectors[name])


def assert_close_vectors(one: TrainingState, other: TrainingState) -> None:
    assert one.step == other.step
    for name, rows in one.vectors.items():
        assert (rows - other.vectors[name]).abs().max() < COMPANY_TOLERANCE


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


# --- learning ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_training_lowers_the_loss_and_changes_the_vectors_alone(backbones, family):
    backbone = backbones[family]
    pipeline = backbone.sampler("text", "ddim")
    modules = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    tokenizers = {name: part for name, part in pipeline.components.items() if name.startswith("tokenizer")}
    weights = {
        (name, key): value.clone()
        for name, part in modules.items()
        for key, value in part.state_dict().items()
    }
    vocabularies = {name: tokenizer.get_vocab() for name, tokenizer in tokenizers.items()}
    config = make_config(vectors=2, steps=24, batch_size=2, eval_every=12, eval_rows=8)
    start = prepare(backbone, make_pictures(3), config)

    state = learn(backbone, config, make_pictures(3))

    first, *_, last = [evaluation.loss for evaluation in state.evaluations]
    assert last < first - 5e-4
    assert set(state.vectors) == set(backbone.base.widths)
    for name, rows in state.vectors.items():
        assert ((rows - start.vectors[name]).norm(dim=1) > 0.02).all()  # every row of every encoder
    for name, part in modules.items():
        assert all(parameter.grad is None for parameter in part.parameters())
        assert all(torch.equal(value, weights[name, key]) for key, value in part.state_dict().items())
    assert all(tokenizer.get_vocab() == vocabularies[name] for name, tokenizer in tokenizers.items())


def test_same_seed_same_vectors_other_seed_others(sd1):
    one, two = learn(sd1, make_config(seed=3)), learn(sd1, make_config(seed=3))
    assert_same_vectors(one, two)
    assert not torch.equal(one.vectors["clip_l"], learn(sd1, make_config(seed=4)).vectors["clip_l"])


def test_draws_of_steps_passes_seeds_and_evaluations_are_all_different():
    keys = [(step, number) for step in range(3) for number in range(3)]
    keys += [
        (training_rows.EVALUATION_KEY,),
        (training_rows.INITIALIZATION_KEY, 4),
        (training_rows.INITIALIZATION_KEY, 8),
    ]
    drawn = {
        training_rows.seeded_generator(seed, *key).initial_seed() for seed in (0, 1, 2**32) for key in keys
    }
    assert len(drawn) == 3 * len(keys)


def test_the_highest_timestep_is_not_exceeded(sd1, monkeypatch):
    highest = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0)).item()
    monkeypatch.setattr(torch, "rand", lambda count, generator: torch.full((count,), highest))
    assert math.isfinite(train_step(sd1, [prepare(sd1, make_pictures(1), make_config(batch_size=16))])[0])


@pytest.mark.parametrize("bias", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_a_timestep_bias_says_how_often_timesteps_are_trained_on_and_evaluated(sd1, monkeypatch, bias):
    seen, add_noise = [], sd1.add_noise
    monkeypatch.setattr(
        sd1,
        "add_noise",
        lambda latents, noise, timesteps: seen.append(timesteps) or add_noise(latents, noise, timesteps),
    )
    config = make_config(batch_size=512, eval_rows=512, timestep_bias=bias)
    state = prepare(sd1, make_pictures(1), config)
    for look in (train_step, evaluate_loss):
        seen.clear()
        look(sd1, [state])
        shares = torch.cat(seen) / sd1.num_timesteps
        assert len(shares) == 512
        for place in (0.25, 0.5, 0.75):  # the integral of 1 - bias * cos(pi * u) up to there
            below = place - bias * math.sin(math.pi * place) / math.pi
            assert (shares < place).float().mean().item() == pytest.approx(below, abs=0.01)


def test_the_model_s_own_timestep_bias_is_taken_unless_one_is_given(sd1, monkeypatch):
    def first_loss(bias: float | None, kind: str = "object") -> float:
        config = make_config(batch_size=4, kind=kind, timestep_bias=bias)
        return train_step(sd1, [prepare(sd1, make_pictures(1), config)])[0]

    evenly = first_loss(None)
    monkeypatch.setattr(sd1, "timestep_bias", -0.6)
    assert first_loss(None) == first_loss(-0.6) != evenly == first_loss(0.0)
    assert first_loss(None, "style") == first_loss(0.0, "style"), "a style is learned evenly"


@pytest.mark.parametrize("bias", [1.01, -2, math.nan, True, "0"])
def test_a_timestep_bias_that_cannot_work_is_refused(bias):
    with pytest.raises(ConfigError, match="timestep_bias is .*: give a number from -1 to 1"):
        make_config(timestep_bias=bias)


# --- runs that train together -----------------------------------------------------------------------------


def test_runs_trained_together_learn_what_each_learns_alone(sd1):
    long_caption = " ".join(["cat"] * 90)  # two chunks
    asked = [
        (make_config(batch_size=1), make_pictures(2, seed=1)),
        (
            make_config(
                batch_size=2, gradient_accumulation=2, learning_rate=0.01, kind="style", snr_gamma=5.0
            ),
            make_pictures(3, seed=2, caption=long_caption),
        ),
    ]
    together = [prepare(sd1, pictures, config) for config, pictures in asked]
    assert [sd1.count_tokens(state.data.prompts[0][0], state.words).chunks for state in together] == [1, 2]
    for _ in train(sd1, together):
        pass
    for state, (config, pictures) in zip(together, asked, strict=True):
        alone = learn(sd1, config, pictures)
        assert_close_vectors(state, alone)
        for one, other in zip(state.evaluations, alone.evaluations, strict=True):
            assert one.step == other.step and one.loss == pytest.approx(other.loss, abs=1e-5)
    difference = together[0].vectors["clip_l"] - together[1].vectors["clip_l"]
    assert difference.abs().max() > 20 * COMPANY_TOLERANCE


def test_runs_join_and_leave_while_others_go_on(sd1):
    config = make_config(steps=6, eval_every=3)  # the same for all: only the pictures tell them apart
    staying, joining, leaving = (prepare(sd1, make_pictures(2, seed), config) for seed in (1, 2, 3))
    states = [staying, leaving]
    for state, snapshot in train(sd1, states):
        if state is staying and snapshot.step == 2:
            states.remove(leaving)
        if state is staying and snapshot.step == 3:
            states.append(joining)
    assert leaving.step == 2 and leaving.finish is None
    assert_close_vectors(staying, learn(sd1, config, make_pictures(2, 1)))
    assert_close_vectors(joining, learn(sd1, config, make_pictures(2, 2)))
    alone = prepare(sd1, make_pictures(2, 3), config)
    for _ in range(2):
        train_step(sd1, [alone])
    assert_close_vectors(leaving, alone)


# --- settings ---------------------------------------------------------------------------------------------


def test_accumulated_gradient_is_the_mean_over_the_passes(sd1, monkeypatch):
    config = make_config(batch_size=2, gradient_accumulation=2)
    source = prepare(sd1, make_pictures(3), config)
    draw = step._draw_rows

    def step_with(*passes: int) -> tuple[torch.Tensor, float]:
        own = dataclasses.replace(config, gradient_accumulation=len(passes))
        state = prepare(sd1, make_pictures(3), own)
        monkeypatch.setattr(
            step, "_draw_rows", lambda backbone, _, number: draw(backbone, source, passes[number])
        )
        [loss] = train_step(sd1, [state])
        return state.vectors["clip_l"].grad, loss

    (both, loss), (first, first_loss), (second, second_loss) = step_with(0, 1), step_with(0), step_with(1)
    assert not torch.allclose(first, second)
    assert torch.allclose(both, (first + second) / 2, rtol=1e-4, atol=1e-8)
    assert loss == pytest.approx((first_loss + second_loss) / 2)


@pytest.mark.parametrize(
    ("schedule", "warmup", "factors"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("constant", 2, [1 / 3, 2 / 3, 1, 1]),
        ("linear", 0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_learning_rate_schedules(sd1, schedule, warmup, factors):
    config = make_config(lr_schedule=schedule, lr_warmup_steps=warmup, eval_rows=1)
    state = prepare(sd1, make_pictures(1), config)
    rates = [state.optimizer.param_groups[0]["lr"] for _ in train(sd1, [state])]
    assert rates == pytest.approx([0.02 * factor for factor in factors])


def test_learning_rate_is_each_encoders_own_unless_given(backbones):
    backbone = backbones["sdxl"]
    state = prepare(
        backbone, make_pictures(1), make_config(learning_rate=None, steps=1, lr_schedule="constant")
    )
    before = {name: rows.detach().clone() for name, rows in state.vectors.items()}
    train_step(backbone, [state])
    for name, rate in backbone.learning_rates().items():  # Adam's first step is the rate itself
        assert (state.vectors[name] - before[name]).abs().max().item() == pytest.approx(rate, rel=1e-3)


def test_fixed_norm_is_the_vocabularys_from_the_start(backbones):
    backbone = backbones["sdxl"]
    config = make_config(norm_control="fixed", vectors=2, eval_every=1, initializer="red cat")
    state = prepare(backbone, make_pictures(1), config)
    for _, snapshot in train(backbone, [state]):
        for name, mean in backbone.vocabulary.mean_norms.items():
            assert state.vectors[name].norm(dim=1).tolist() == pytest.approx([mean, mean])
            assert snapshot.norm[name] == pytest.approx(mean)
    for name, rows in learned_concept(backbone, state).vectors.items():
        assert rows.norm(dim=1).tolist() == pytest.approx([backbone.vocabulary.mean_norms[name]] * 2)


def test_gradient_is_clipped_for_each_encoder(backbones):
    backbone = backbones["sdxl"]
    free = prepare(backbone, make_pictures(1), make_config(vectors=2))
    train_step(backbone, [free])
    limit = min(rows.grad.norm().item() for rows in free.vectors.values()) / 2
    clipped = prepare(backbone, make_pictures(1), make_config(vectors=2, max_grad_norm=limit))
    train_step(backbone, [clipped])
    for rows in clipped.vectors.values():
        assert rows.grad.norm().item() == pytest.approx(limit, rel=1e-3)


def test_small_gradients_do_not_underflow_in_float16(tiny_sd1, monkeypatch):
    def gradient(dtype: torch.dtype) -> torch.Tensor:
        backbone = Backbone.load(str(tiny_sd1), "cpu", dtype)
        predict = backbone.predict  # less sensitive to the prompt, as a model of full size is
        monkeypatch.setattr(backbone, "predict", lambda *given: predict(*given) * 1e-4)
        state = prepare(backbone, make_pictures(2), make_config(batch_size=2))
        train_step(backbone, [state])
        return state.vectors["clip_l"].grad

    half, single = gradient(torch.float16), gradient(torch.float32)
    assert torch.nn.functional.cosine_similarity(half, single) > 0.98
    assert half.norm().item() == pytest.approx(single.norm().item(), rel=0.1)


def test_a_gradient_that_overflows_in_float16_is_taken_again_at_a_smaller_scale(tiny_sd1, monkeypatch):
    backbone = Backbone.load(str(tiny_sd1), "cpu", torch.float16)

    def gradient() -> torch.Tensor:
        state = prepare(backbone, make_pictures(2), make_config(batch_size=2))
        train_step(backbone, [state])
        assert state.step == 1
        return state.vectors["clip_l"].grad

    expected = gradient()
    original, scales = step._gradients, []

    def overflowing(backbone, states, scale):
        losses = original(backbone, states, scale)
        scales.append(scale)
        if len(scales) < 3:
            states[0].vectors["clip_l"].grad[0, 0] = math.inf
        return losses

    monkeypatch.setattr(step, "_gradients", overflowing)
    assert torch.allclose(gradient(), expected, rtol=0.05, atol=expected.abs().max().item() / 50)
    assert scales == [scales[0], scales[0] / 2, scales[0] / 4]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_ends_training_before_any_vector_changes(
    tiny_sd1, monkeypatch, dtype, number
):
    backbone = Backbone.load(str(tiny_sd1), "cpu", dtype)
    states = [prepare(backbone, make_pictures(1), make_config(token=token)) for token in ("<x>", "<broken>")]
    before = [state.vectors["clip_l"].detach().clone() for state in states]
    original = step._gradients

    def broken(*arguments):
        losses = original(*arguments)
        states[1].vectors["clip_l"].grad[0, 0] = number
        return losses

    monkeypatch.setattr(step, "_gradients", broken)
    with pytest.raises(TrainingError, match="gradient of <broken> .*lower learning rate") as caught:
        train_step(backbone, states)
    assert caught.value.states == (states[1],)
    for state, rows in zip(states, before, strict=True):
        assert (state.step, state.optimizer.state) == (0, {})
        assert torch.equal(state.vectors["clip_l"], rows)


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_min_snr_weighting_changes_the_loss(backbones, family):
    backbone = backbones[family]

    def first_loss(gamma: float | None) -> float:
        return train_step(
            backbone, [prepare(backbone, make_pictures(1), make_config(batch_size=4, snr_gamma=gamma))]
        )[0]

    assert first_loss(1.0) < 0.9 * first_loss(None)
    if family == "sd1":  # of epsilon-prediction no weight exceeds 1
        assert first_loss(1e9) == pytest.approx(first_loss(None))


def test_gradient_checkpointing_changes_memory_only_and_is_switched_off(sd1):
    seen = []
    handle = sd1.unet.register_forward_pre_hook(lambda unet, _: seen.append(unet.is_gradient_checkpointing))
    try:
        saving = learn(sd1, make_config(gradient_checkpointing=True))
    finally:
        handle.remove()
    assert any(seen)
    assert not sd1.unet.is_gradient_checkpointing
    assert_close_vectors(saving, learn(sd1, make_config()))


@pytest.mark.parametrize(("batch_size", "passes"), [(1, [8, 8, 4]), (12, [12, 8])])
def test_evaluation_takes_no_larger_passes_than_training_or_eight(sd1, batch_size, passes):
    state = prepare(sd1, make_pictures(3), make_config(eval_rows=20, batch_size=batch_size))
    rows = []
    handle = sd1.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        evaluate_loss(sd1, [state])
    finally:
        handle.remove()
    assert rows == passes
    whole = prepare(sd1, make_pictures(3), make_config(eval_rows=20, batch_size=20))
    evaluate_loss(sd1, [whole])
    assert state.evaluations[0].loss == pytest.approx(whole.evaluations[0].loss, rel=1e-5)


# --- pictures ---------------------------------------------------------------------------------------------


def masked(picture: Picture, columns: slice) -> Picture:
    levels = np.zeros((16, 16), dtype=np.uint8)
    levels[:, columns] = 255
    return dataclasses.replace(picture, mask=Image.fromarray(levels))


def test_errors_outside_the_mask_do_not_count(sd1, monkeypatch):
    pictures = [masked(picture, slice(0, 6)) for picture in make_pictures(2)]
    state = prepare(sd1, pictures, make_config())
    expected = torch.zeros(2, 1, 8, 8)
    expected[..., :3] = 1  # a latent for two pixels
    assert torch.equal(state.data.mask, expected)
    evaluate_loss(sd1, [state])
    [loss] = train_step(sd1, [state])

    target = sd1.target
    monkeypatch.setattr(sd1, "target", lambda *arguments: target(*arguments) + 100 * (1 - expected[:1]))
    disturbed, unmasked = (
        prepare(sd1, pictures, make_config()),
        prepare(sd1, pictures, make_config(use_mask=False)),
    )
    evaluate_loss(sd1, [disturbed, unmasked])
    assert disturbed.evaluations == state.evaluations
    assert train_step(sd1, [disturbed]) == [loss]
    assert_same_vectors(disturbed, state)
    assert unmasked.data.mask is None
    assert unmasked.evaluations[0].loss > 1000


def test_loss_over_a_mask_is_the_mean_over_its_part(sd1):
    def loss(columns: slice) -> float:
        state = prepare(sd1, [masked(picture, columns) for picture in make_pictures(2)], make_config())
        evaluate_loss(sd1, [state])
        return state.evaluations[0].loss

    whole = loss(slice(0, 16))
    assert loss(slice(0, 4)) * 0.25 + loss(slice(4, 16)) * 0.75 == pytest.approx(whole, rel=1e-5)


def test_flip_adds_the_mirror_images(sd1):
    pictures = [masked(make_pictures(1)[0], slice(0, 6)), *make_pictures(1, seed=1, caption="a red toy")]
    plain = prepare(sd1, pictures, make_config()).data
    data = prepare(sd1, pictures, make_config(flip=True)).data
    mirrored = [
        dataclasses.replace(picture, image=picture.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        for picture in pictures
    ]
    assert len(plain) == 2 and len(data) == 4
    assert torch.equal(data.posterior.mean[:2], plain.posterior.mean)
    assert torch.equal(data.posterior.mean[2:], prepare(sd1, mirrored, make_config()).data.posterior.mean)
    assert torch.equal(data.mask, torch.cat([plain.mask, plain.mask.flip(-1)]))
    assert data.prompts == plain.prompts * 2
    state = learn(sd1, make_config(flip=True), pictures)
    assert learned_concept(sd1, state).training["pictures"] == 2


def test_captions_are_the_sentences_where_there_are_any(sd1):
    plain, captioned = make_pictures(1), make_pictures(1, caption="a red toy")
    data = prepare(sd1, plain + captioned, make_config(kind="style")).data
    assert all("<x>" in sentence for sentence in data.prompts[0]) and len(data.prompts[0]) > 5
    assert data.prompts[1] == ("a red toy in the style of <x>",)
    one, other = learn(sd1, make_config(), plain), learn(sd1, make_config(), captioned)
    assert not torch.equal(one.vectors["clip_l"], other.vectors["clip_l"])


@pytest.mark.parametrize(
    ("caption", "why"),
    [("beside <our-dog>", "No loaded concept defines <our-dog>"), ("(red:99) toy", "weight 99")],
)
def test_a_caption_that_cannot_be_encoded_is_refused_at_the_start_and_its_picture_named(sd1, caption, why):
    [picture] = make_pictures(1, caption=caption)
    with pytest.raises(PromptError, match=f"The caption of {picture.name} cannot be used. .*{why}"):
        prepare(sd1, [picture], make_config())


def test_no_pictures(sd1):
    with pytest.raises(PictureError, match="no picture"):
        prepare(sd1, [], make_config())


# --- the start --------------------------------------------------------------------------------------------


def rows_of(backbone: Backbone, *words: str) -> torch.Tensor:
    return backbone.vocabulary.tables()["clip_l"][[backbone.vocabulary.whole_words[word] for word in words]]


def test_a_phrase_starts_from_its_tokens(sd1):
    two = prepare(sd1, make_pictures(1), make_config(initializer="red cat", vectors=2))
    assert torch.equal(two.vectors["clip_l"], rows_of(sd1, "red", "cat"))
    one = prepare(sd1, make_pictures(1), make_config(initializer="red cat"))
    assert torch.allclose(one.vectors["clip_l"], rows_of(sd1, "red", "cat").mean(0, keepdim=True))
    assert one.initializer == "red cat"


@pytest.mark.parametrize("initializer", ["<our-dog>", "cat (fluffy:20)", "(cat)", "<lora:cat:1>", r"a \cat"])
def test_a_phrase_that_no_prompt_can_hold(sd1, initializer):
    with pytest.raises(ConfigError, match="cannot stand in a prompt"):
        check_initializer_and_captions(sd1, make_pictures(1), make_config(initializer=initializer))


def test_a_phrase_of_nothing(sd1):
    with pytest.raises(ConfigError, match="nothing"):
        prepare(sd1, make_pictures(1), make_config(), initializer=" ")


# --- the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "levelled"),
    [
        ([1 - 0.05 * step for step in range(16)], False),  # falling
        ([math.exp(-step) for step in range(16)], True),  # fallen, then level
        ([1.0] * 16, False),  # nothing was learned
        ([1 + 0.1 * (-1) ** step for step in range(16)], False),  # noise
        ([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], False),  # one short of the window and two before it
        ([1.0, 0.8, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], True),
    ],
)
def test_has_levelled(losses, levelled):
    assert has_levelled(losses, window=6, threshold=0.02) is levelled


def test_automatic_stop_keeps_the_best_of_the_last_vectors(sd1):
    config = make_config(
        steps=40,
        learning_rate=0.1,
        lr_schedule="constant",
        eval_every=1,
        stop="auto",
        stop_window=6,
        stop_threshold=0.1,
    )
    state = prepare(sd1, make_pictures(2), config)
    vectors = {0: state.vectors["clip_l"].detach().clone()}
    for _, snapshot in train(sd1, [state]):
        vectors[snapshot.step] = state.vectors["clip_l"].detach().clone()
        losses = [evaluation.loss for evaluation in state.evaluations]
        assert (snapshot.finish == "levelled") is has_levelled(losses, 6, 0.1)
    assert state.finish == "levelled" and state.step < 40
    best = min(state.evaluations[-6:], key=lambda evaluation: evaluation.loss)
    assert best.step != state.step  # so that the best are told from the last
    concept = learned_concept(sd1, state)
    assert torch.equal(concept.vectors["clip_l"], vectors[best.step])
    assert concept.training["best_step"] == best.step
    assert concept.training["stopped"] == "levelled"
    assert concept.training["steps"] == state.step
    assert concept.training["evaluation_loss"] == best.loss


def test_an_early_or_initial_loss_that_is_lower_by_chance_does_not_count(sd1, monkeypatch):
    losses = iter([0.1, 0.2, 0.5, 0.3, 0.4])
    monkeypatch.setattr(loop, "_fixed_loss", lambda *arguments: next(losses))
    config = make_config(steps=4, eval_every=1, stop_window=2)
    state, kept = prepare(sd1, make_pictures(1), config), []
    evaluate_loss(sd1, [state])
    assert state.best_evaluation.step == 0  # there is nothing else
    for _ in train(sd1, [state]):
        kept.append(learned_concept(sd1, state))
    assert [word.training["best_step"] for word in kept] == [1, 1, 3, 3]
    assert kept[2].sha256 == kept[3].sha256 != kept[0].sha256 == kept[1].sha256
    assert kept[3].training["evaluation_loss"] == 0.3
    assert kept[3].training["first_evaluation_loss"] == 0.1


def test_snapshots_say_what_was_due(sd1):
    config = make_config(steps=5, eval_every=2, preview_every=3, vectors=2)
    state = prepare(sd1, make_pictures(1), config)
    snapshots: list[Snapshot] = [snapshot for _, snapshot in train(sd1, [state])]
    assert [snapshot.step for snapshot in snapshots] == [1, 2, 3, 4, 5]
    evaluated = [snapshot for snapshot in snapshots if snapshot.evaluation]
    assert [snapshot.step for snapshot in evaluated] == [2, 4, 5]
    assert state.evaluations == [state.evaluations[0], *(snapshot.evaluation for snapshot in evaluated)]
    assert [bool(snapshot.nearest) for snapshot in snapshots] == [False, True, False, True, True]
    for snapshot in evaluated:
        cosines = [cosine for _, cosine in snapshot.nearest]
        assert {word for word, _ in snapshot.nearest} <= set(sd1.vocabulary.whole_words)
        assert cosines == sorted(cosines, reverse=True) and -1 <= cosines[-1] < cosines[0] <= 1 + 1e-6
    assert [snapshot.step for snapshot in snapshots if snapshot.preview] == [3]
    assert snapshots[2].preview.size == (sd1.resolution, sd1.resolution)
    assert snapshots[-1].norm["clip_l"] == pytest.approx(state.vectors["clip_l"].norm(dim=1).mean().item())
    assert [snapshot.finish for snapshot in snapshots] == [None] * 4 + ["steps"]


def test_the_current_concept_does_not_change_with_later_steps(sd1):
    state = prepare(sd1, make_pictures(1), make_config())
    concept = current_concept(sd1, state)
    before = concept.sha256
    train_step(sd1, [state])
    assert concept.sha256 == before != current_concept(sd1, state).sha256


def test_a_loss_that_is_no_number_ends_training_before_any_vector_changes(sd1):
    broken = prepare(sd1, make_pictures(1), make_config(token="<broken>", learning_rate=3e37, steps=10))
    other = prepare(sd1, make_pictures(1), make_config())
    with pytest.raises(TrainingError, match="<broken>.*lower learning rate"):
        for _ in train(sd1, [other, broken]):
            before = other.vectors["clip_l"].detach().clone()
    assert other.step == broken.step == 1
    assert torch.equal(other.vectors["clip_l"], before)
    train_step(sd1, [other])  # goes on as if alone
    alone = prepare(sd1, make_pictures(1), make_config())
    for _ in range(2):
        train_step(sd1, [alone])
    assert_close_vectors(other, alone)


def test_an_evaluation_that_is_no_number_ends_training_and_is_never_the_best(sd1):
    states = [prepare(sd1, make_pictures(1), make_config(token=token)) for token in ("<x>", "<broken>")]
    with torch.no_grad():
        states[1].vectors["clip_l"].fill_(math.nan)
    with pytest.raises(TrainingError, match="<broken>.*lower learning rate"):
        evaluate_loss(sd1, states)
    assert [state.evaluations for state in states] == [[], []]

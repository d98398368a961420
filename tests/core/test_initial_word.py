"""The automatic choice of the initial word, on a tiny model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.errors import Cancelled
from ti_core.model.backbone import Backbone
from ti_core.model.families import Family
from ti_core.pictures.prepare import Picture
from ti_core.training import initial_word
from ti_core.training import rows as training_rows
from ti_core.training.initial_word import candidate_words, candidates_per_round
from ti_core.training.preparation import prepare
from ti_core.training.state import TrainingState


@pytest.fixture(scope="module")
def sd1(backbones: dict[Family, Backbone]) -> Backbone:
    return backbones["sd1"]


def prepared(backbone: Backbone, on_candidate: Callable[[int, int], None] | None = None) -> TrainingState:
    """A state prepared to learn from three pictures of coarse random colours."""
    random = np.random.default_rng(0)
    images = [
        Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((16, 16)) for _ in range(3)
    ]
    pictures = [
        Picture(f"{number}.png", image, None, None, (16, 16), ()) for number, image in enumerate(images)
    ]
    return prepare(backbone, pictures, TrainingConfig("<x>", initializer="auto"), on_candidate=on_candidate)


def test_the_choice_of_the_initial_word_is_told_and_ends_when_the_listener_raises(sd1):
    told = []
    prepared(sd1, lambda done, total: told.append((done, total)))
    total = sum(candidates_per_round(len(candidate_words(sd1, "object"))))
    assert told == [(done, total) for done in range(1, total + 1)]

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        prepared(sd1, stop)


@pytest.mark.parametrize(
    ("count", "rounds"), [(1, [1]), (3, [3]), (5, [5]), (8, [8, 2]), (73, [73, 18, 4]), (177, [177, 44, 11])]
)
def test_a_quarter_of_the_candidates_goes_on_to_each_further_round(count, rounds):
    assert candidates_per_round(count) == rounds


@pytest.mark.parametrize("rounds", [(4,), (2, 4)])
def test_automatic_initializer_is_the_word_with_the_lowest_loss_at_its_best_guidance(
    sd1, monkeypatch, rounds
):
    words = ("cat", "dog", "toy", "photo", "painting", "style", "red", "the")
    monkeypatch.setattr(initial_word, "OBJECT_WORDS", (*words, "unheard"))  # not one token: no candidate
    monkeypatch.setattr(initial_word, "CANDIDATE_ROWS", rounds)
    state = prepared(sd1)
    left = list(words)
    for count in rounds:
        rows = training_rows.rows_in_turn(
            sd1,
            state.data,
            count,
            training_rows.seeded_generator(0, training_rows.INITIALIZATION_KEY, count),
            training_rows.MIDDLE_TIMESTEPS,
        )
        assert rows.timesteps.min() >= 250 and rows.timesteps.max() < 750
        noisy = sd1.add_noise(rows.latents, rows.noise, rows.timesteps)

        def predict(prompt, noisy=noisy, rows=rows):
            return sd1.predict(noisy, rows.timesteps, sd1.encode_prompts([prompt] * len(rows)))

        without = predict("")
        losses = {}
        for word in left:
            guided = predict(f"a photo of {word}") - without
            scales = torch.logspace(-4, 4, 8001, dtype=torch.float64)
            # || noise - without - scale * guided ||^2, multiplied out
            missed, guided = (rows.noise - without).double().flatten(), guided.double().flatten()
            products = -2 * scales * (missed @ guided) + scales.square() * guided.square().sum()
            losses[word] = (missed.square().sum() + products.min()).item()
        left = sorted(left, key=losses.__getitem__)[: 1 if count == rounds[-1] else 2]
    assert state.initializer == left[0]
    assert torch.equal(
        state.vectors["clip_l"], sd1.vocabulary.tables()["clip_l"][[sd1.vocabulary.whole_words[left[0]]]]
    )


def test_the_initial_word_is_chosen_by_what_the_mask_leaves():
    """What a word changes outside the mask must not count in its favour."""
    one, other = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    one[..., :2], other[..., :2] = 1.0, 2.0
    one[..., 2:], other[..., 2:] = 5.0, -5.0
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1.0
    assert initial_word._cosine(one, other, mask) == pytest.approx(1.0)
    assert initial_word._cosine(one, other, None) < 0
    assert initial_word._cosine(one, torch.zeros_like(one), None) == 0.0

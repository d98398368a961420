"""The Train tab: from pictures to a word, private to each person."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gradio as gr
import numpy as np
import pytest
from helpers.frames import empty_frame
from helpers.requests import request_of
from helpers.tiny_models import save_tiny_judge
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.drawing.recipe import read_recipe
from ti_core.errors import (
    ConfigError,
    GenerationError,
    ModelError,
    PictureError,
    PromptError,
    TokenNameError,
    TrainingError,
)
from ti_core.judging import judge as judging
from ti_core.judging.scores import Score, Verdict
from ti_core.pictures.prepare import Picture, fingerprint
from ti_core.prompts.initializers import OBJECT_WORDS
from ti_core.training import loop
from ti_core.training.runs import Run, concept_at, saved_steps
from ti_core.words.folder import picture_files
from ti_core.words.gallery import gallery_files
from ui.frame import Frame
from ui.parts.chart import loss_chart
from ui.parts.verdicts import level_of
from ui.server import learned
from ui.server.learned import find_training, learned_token
from ui.server.studio import Limits, Studio
from ui.tabs.train import picture_set, suggestion
from ui.tabs.train.evidence import evidence_files
from ui.tabs.train.form import Form, fill_in_word, place_form, put_back, show_example, show_times
from ui.tabs.train.picture_set import (
    EXAMPLES,
    NOTE,
    SETS_KEPT,
    Framing,
    PictureSet,
    add_pictures,
    caption_picture,
    example_set,
    model_resolution,
    new_set,
    open_set,
    prepared,
    prepared_pictures,
    reframe_picture,
    remove_picture,
)
from ui.tabs.train.picture_view import framing_html, pictures_html, rejected_html
from ui.tabs.train.pictures import (
    bring_back,
    close_editor,
    current_set,
    describe,
    reframe,
    remove,
    show_editor,
    upload,
)
from ui.tabs.train.presets import OPTIONAL, PRESET_FIELDS, PRESETS, read_config
from ui.tabs.train.result import (
    add_to_library,
    keep_saved_step,
)
from ui.tabs.train.result_panel import compare, download_word, find_word, show_step, use_word
from ui.tabs.train.result_view import loss_text
from ui.tabs.train.run_panel import TEXTS as RUN_TEXTS
from ui.tabs.train.run_panel import RunPanel, is_new_result, place_run_panel, view_updates
from ui.tabs.train.run_view import RunView, read_view, run_choices
from ui.tabs.train.runs import current_run, find_run, newest_run, resume_run, start_run
from ui.tabs.train.settings import apply_preset, show_name, take_free_name
from ui.tabs.train.settings_view import name_html, preset_choices, time_html
from ui.tabs.train.suggestion import suggest_word
from ui.texts import TEXTS

SECONDS = 120  # until a test gives up
SIDE = 16  # pixels, of the tiny model


@pytest.fixture(scope="module")
def studio(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Make a shared server with the tiny model and generous limits; each test acts as another person."""
    studio = Studio(tmp_path_factory.mktemp("homes"), shared=True, limits=Limits(steps=100_000))
    studio.models.load(str(tiny_sd1))
    studio.models.wait()
    yield studio
    studio.trainer.close()


@pytest.fixture
def person(request: pytest.FixtureRequest) -> gr.Request:
    return request_of(person=request.node.name)


def picture_file(folder: Path, name: str, seed: int = 0, size: tuple[int, int] = (40, 30)) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return str(folder / name)


@pytest.fixture(scope="module")
def form() -> Form:
    with gr.Blocks():
        return place_form()


@pytest.fixture(scope="module")
def panel() -> RunPanel:
    with gr.Blocks():
        return place_run_panel()


@pytest.fixture(scope="module")
def frame() -> Frame:
    return empty_frame()


def settings(**changes: Any) -> dict[str, Any]:
    """Return the form's values for a short run."""
    config = TrainingConfig(
        "word", initializer="cat", steps=4, batch_size=2, eval_every=2, eval_rows=2, lr_warmup_steps=0
    )
    return {**config.to_dict(), **dict.fromkeys(OPTIONAL, 0), **changes}


def chosen_from(studio: Studio, person: gr.Request, files: list[str]) -> PictureSet:
    chosen, _ = add_pictures(studio, person, new_set(studio.home(person)), files)
    return chosen


def some_pictures(studio: Studio, person: gr.Request, folder: Path, count: int = 2) -> PictureSet:
    files = [picture_file(folder, f"{number}.png", seed=number) for number in range(count)]
    return chosen_from(studio, person, files)


def shown_pictures(studio: Studio, chosen: PictureSet) -> str:
    return pictures_html("en", chosen, model_resolution(studio))


def start(studio: Studio, person: gr.Request, chosen: PictureSet, **changes: Any) -> Run:
    """Start a training with the form's values, as the page does."""
    return start_run(studio, person, chosen, read_config(settings(**changes)))


def learn(studio: Studio, person: gr.Request, folder: Path, **changes: Any) -> Run:
    """Train a run to its end."""
    run = start(studio, person, some_pictures(studio, person, folder), **changes)
    assert studio.trainer.wait(run, SECONDS)
    return run


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "It takes too long."
        time.sleep(0.02)


# --- pictures ---------------------------------------------------------------------------------------------


def test_a_bad_picture_is_told_and_the_good_ones_stay(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    bad = tmp_path / "letter.jpg"
    bad.write_text("Dear cat", encoding="utf-8")
    files = [picture_file(tmp_path, "a.png"), str(bad), picture_file(tmp_path, "b.png", seed=1)]
    chosen, rejected = add_pictures(studio, person, new_set(studio.home(person)), files)
    assert [picture.name for picture in chosen.pictures] == ["a.png", "b.png"]
    assert len(rejected) == 1
    assert "letter.jpg is a text file" in rejected_html("en", rejected)
    kept = [path for path in (studio.home(person).folder / "uploads").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted([*(picture.file for picture in chosen.pictures), chosen.folder / NOTE])
    assert [path.name for path in kept if "." in path.name] == [NOTE], "none is named as the visitor did"


def test_reasons_come_in_the_readers_language(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    reader = request_of(person="reader", language="ja")
    _, rejected = add_pictures(studio, reader, new_set(studio.home(reader)), [str(tmp_path / "empty.png")])
    assert "empty.png は空のファイルです" in rejected[0]


def test_pictures_are_counted_and_weighed(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "homes", limits=Limits(pictures=2, picture_megabytes=1))
    nothing = new_set(studio.home(request_of()))
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(b"\0" * 1_000_001)
    chosen, rejected = add_pictures(studio, request_of(), nothing, [str(heavy)])
    assert chosen.pictures == ()
    assert "heavy.png is larger than 1 MB" in rejected[0]
    files = [picture_file(tmp_path, f"{number}.png", seed=number) for number in range(3)]
    chosen, rejected = add_pictures(studio, request_of(), nothing, files)
    assert len(chosen.pictures) == 2
    assert "No more than 2 pictures" in rejected[0]


def test_of_many_sets_only_the_newest_keep_their_files(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    sets = [some_pictures(studio, person, tmp_path, count=1) for _ in range(SETS_KEPT + 1)]
    assert not sets[0].pictures[0].file.exists()
    assert all(chosen.pictures[0].file.exists() for chosen in sets[1:])
    assert open_set(studio.home(person), sets[0].name).pictures == ()


def test_a_removed_picture_leaves_the_disk_too(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    part, chosen = form.pictures, some_pictures(studio, person, tmp_path)
    first, second = chosen.pictures
    updates = remove(studio, person, part, chosen, first.id, first.id)
    left = open_set(studio.home(person), updates[part.set_name])
    assert left.pictures == (second,)
    assert updates[part.opened] == "" and not updates[part.editor].visible
    assert not first.file.exists()
    assert remove_picture(left, "../../other").pictures == left.pictures


def test_another_part_of_a_picture_can_be_kept(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    image.save(tmp_path / "flag.png")
    chosen = chosen_from(studio, person, [str(tmp_path / "flag.png")])
    for across, colour in ((0.0, (255, 0, 0)), (1.0, (0, 0, 255))):
        framing = Framing(zoom=2, across=across, down=0.5)
        chosen = reframe_picture(studio, chosen, chosen.pictures[0].id, framing)
        [picture] = prepared_pictures(chosen, SIDE)
        assert picture.image.size == (SIDE, SIDE)
        assert picture.image.getextrema() == tuple((value, value) for value in colour)
        left, _, width = (f"{share:.2%}" for share in (0.75 * across, 0, 0.25))
        shown = framing_html("en", chosen.pictures[0], SIDE)
        assert f"left:{left};" in shown and f"width:{width};" in shown


def test_a_part_in_which_nothing_is_seen_cannot_be_kept(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    image = Image.new("RGBA", (80, 40))
    image.paste("blue", (0, 0, 40, 40))
    image.save(tmp_path / "half.png")
    chosen = chosen_from(studio, person, [str(tmp_path / "half.png")])
    with pytest.raises(PictureError, match=r"half\.png is fully transparent inside the crop"):
        reframe_picture(studio, chosen, chosen.pictures[0].id, Framing(zoom=2, across=1.0, down=0.5))
    assert open_set(studio.home(person), chosen.name) == chosen


def test_a_picture_is_prepared_once(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, made = picture_set.prepare_picture, []

    def counting(file: Path, size: int, **options: Any) -> Picture:
        made.append((file.name, size))
        return prepare(file, size, **options)

    monkeypatch.setattr(picture_set, "prepare_picture", counting)
    part, home = form.pictures, studio.home(person)
    files = [picture_file(tmp_path, f"{number}.png", seed=number) for number in range(2)]
    name = upload(studio, person, part, new_set(home), "", files)[part.set_name]
    first, second = (picture.id for picture in open_set(home, name).pictures)
    bring_back(studio, person, part, name)
    describe(studio, person, name, first, "asleep")
    show_editor(studio, person, part, open_set(home, name), first)
    assert made == [(first, SIDE), (second, SIDE)]
    reframe(studio, person, part, open_set(home, name), first, 2.0, 0.0, 1.0)
    assert made[2:] == [(first, SIDE)]
    run = start(studio, person, open_set(home, name))
    assert len(made) == 3
    seen = [fingerprint(picture) for picture in prepared_pictures(open_set(home, name), SIDE)]
    assert tuple(seen) == run.fingerprints
    prepared_pictures(open_set(home, name), 2 * SIDE)
    assert made[3:] == [(first, 2 * SIDE), (second, 2 * SIDE)], "as another model sees them"
    assert studio.trainer.wait(run, SECONDS)


def test_a_caption_is_learned_with_and_escaped(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    chosen = caption_picture(chosen, chosen.pictures[1].id, " on a <b>red</b>\n sofa ")
    captions = [picture.caption for picture in prepared_pictures(chosen, SIDE)]
    assert captions == [None, "on a <b>red</b> sofa"]
    assert "on a &lt;b&gt;red&lt;/b&gt; sofa" in shown_pictures(studio, chosen)
    assert "<b>" not in shown_pictures(studio, chosen)


def test_remarks_on_all_pictures_together(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    same = [picture_file(tmp_path, "a.png", seed=7)] * 3
    shown = shown_pictures(studio, chosen_from(studio, person, same[:2]))
    assert "nearly the same as Picture 1 (a.png)" in shown
    assert "So far: 2. It will do" in shown
    assert "The edges of all pictures look alike" in shown
    varied = shown_pictures(studio, some_pictures(studio, person, tmp_path, count=3))
    assert "nearly the same" not in varied and "will do" not in varied and "look alike" not in varied


def test_pictures_of_one_file_name_are_told_apart(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    shown = shown_pictures(studio, chosen_from(studio, person, [picture_file(tmp_path, "a.png")] * 3))
    items = shown.split("</li>")
    for number in (1, 2, 3):
        assert sum(f'aria-label="Remove Picture {number} (a.png)"' in item for item in items) == 1
        assert sum(f'alt="Picture {number} (a.png)"' in item for item in items) == 1
    assert shown.count("nearly the same as") == 2, "once on the second, once on the third"


def test_pictures_are_found_again_as_they_were(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    part, home = form.pictures, studio.home(person)
    files = [picture_file(tmp_path, f"{name}.png") for name in "ab"]
    updates = upload(studio, person, part, new_set(home), "", files)
    chosen = open_set(home, updates[part.set_name])
    opened = chosen.pictures[1].id
    show_editor(studio, person, part, chosen, opened)
    changed = reframe(studio, person, part, chosen, opened, 2.0, 0.0, 1.0)
    describe(studio, person, chosen.name, opened, "on a <b>sofa")
    again = bring_back(studio, person, part, chosen.name)
    assert (again[part.set_name], again[part.opened]) == (chosen.name, "")
    first, second = open_set(home, chosen.name).pictures
    assert first == chosen.pictures[0]
    assert (second.file, second.name) == (chosen.pictures[1].file, "b.png")
    assert (second.framing, second.caption) == (Framing(2.0, 0.0, 1.0), "on a <b>sofa")
    for picture in re.findall(r'src="([^"]+)"', changed[part.pictures]):
        assert picture in again[part.pictures]


def test_every_change_begins_with_the_description_to_its_last_letter(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    first, second = (picture.id for picture in chosen.pictures)
    current = current_set(studio, person, chosen.name, second, "on a sofa")
    assert [picture.caption for picture in current.pictures] == ["", "on a sofa"]
    assert open_set(studio.home(person), chosen.name) == current
    assert "on a sofa" in close_editor(studio, person, form.pictures, current, second)[form.pictures.pictures]
    assert current_set(studio, person, chosen.name, first, "asleep").folder == chosen.folder
    assert current_set(studio, person, "", "", "").pictures == ()


def test_what_is_written_of_a_picture_stays_with_it(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    chosen, home = some_pictures(studio, person, tmp_path), studio.home(person)
    first, _ = (picture.id for picture in chosen.pictures)
    describe(studio, person, chosen.name, first, "asleep")  # the other is open by now
    chosen = open_set(home, chosen.name)
    assert [picture.caption for picture in chosen.pictures] == ["asleep", ""]
    gone = remove_picture(chosen, first)
    describe(studio, person, chosen.name, first, "awake")
    assert open_set(home, chosen.name) == gone


def test_nobody_finds_the_pictures_of_another(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    chosen, other = some_pictures(studio, person, tmp_path), studio.home(request_of(person="somebody else"))
    assert len(open_set(studio.home(person), chosen.name).pictures) == 2
    assert open_set(other, chosen.name).pictures == ()
    path = f"../../{studio.home(person).folder.name}/uploads/{chosen.name}"
    assert open_set(other, path).pictures == ()
    assert open_set(other, path).folder.parent == other.folder / "uploads"
    new = bring_back(studio, person, form.pictures, "")
    assert new[form.pictures.pictures] == "" and re.fullmatch("[0-9a-f]{32}", new[form.pictures.set_name])


def test_the_oldest_trainings_make_room_on_a_shared_server(
    studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio, "limits", dataclasses.replace(studio.limits, kept_runs=2))
    runs = [learn(studio, person, tmp_path, token=f"<word-{number}>") for number in range(3)]
    home = studio.home(person)
    assert find_run(home, runs[0].folder.name) is None
    assert [find_run(home, run.folder.name) for run in runs[1:]] == runs[1:]
    assert len(home.library.entries()[0]) == 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_used(studio: Studio, person: gr.Request, example: str) -> None:
    chosen = example_set(studio, person, example)
    assert len(chosen.pictures) == 4
    assert all(prepared(picture, SIDE).image.size == (SIDE, SIDE) for picture in chosen.pictures)


def test_an_example_takes_nothing_of_the_visitors_own(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    own, home = some_pictures(studio, person, tmp_path), studio.home(person)
    of_own = ("my-cat", "style")

    def shown(updates: dict[Any, Any]) -> tuple[PictureSet, bool, tuple[str, str]]:
        part, named = form.pictures, (updates[form.settings.token], updates[form.settings.kind])
        return open_set(home, updates[part.set_name]), updates[part.put_back].visible, named

    example, can_go_back, named = shown(show_example(studio, person, form, "cat", own, "", *of_own))
    assert can_go_back and len(example.pictures) == 4 and named == ("our-cat", "object")
    another, can_go_back, named = shown(show_example(studio, person, form, "x-ray", example, "", *named))
    assert can_go_back and named == ("our-x-ray", "style")
    assert not example.folder.exists(), "it makes no other set go"
    assert bring_back(studio, person, form.pictures, another.name)[form.pictures.put_back].visible
    back, can_go_back, named = shown(put_back(studio, person, form, another, "", *named))
    assert not can_go_back and named == of_own
    assert back.pictures == own.pictures
    # What is added to an example is the visitor's own, too.
    example, _, named = shown(show_example(studio, person, form, "cat", back, "", *named))
    mixed, _ = add_pictures(studio, person, example, [picture_file(tmp_path, "one more.png", seed=9)])
    back, can_go_back, named = shown(put_back(studio, person, form, mixed, "", *named))
    assert can_go_back and back.pictures == own.pictures and named == of_own
    again, can_go_back, named = shown(put_back(studio, person, form, back, "", *named))
    assert can_go_back and again.pictures == mixed.pictures and named == ("our-cat", "object")


# --- name and settings ------------------------------------------------------------------------------------


def test_every_setting_has_a_control_with_a_label_and_help(form: Form) -> None:
    controls = form.settings.controls
    assert set(controls) == {field.name for field in dataclasses.fields(TrainingConfig)}
    for field, control in controls.items():
        assert isinstance(control, gr.components.FormComponent), field
        assert TEXTS[f"train_{field}"] and TEXTS[f"train_{field}_info"]


def test_the_form_as_it_opens_is_the_usual_training(form: Form) -> None:
    opened = {field: control.value for field, control in form.settings.controls.items()}
    usual = {**TrainingConfig("word").to_dict(), **dict.fromkeys(OPTIONAL, 0), "preview_every": 40}
    assert opened == {**usual, "token": None}


def test_a_preset_sets_what_it_says_and_previews_where_the_vectors_are_kept(
    form: Form, studio: Studio, person: gr.Request
) -> None:
    controls = form.settings.controls
    quick = {controls[field]: PRESETS["quick"][field] for field in PRESET_FIELDS}
    assert apply_preset(studio, person, form.settings, "quick") == quick
    for preset in PRESETS.values():
        assert set(preset) == set(PRESET_FIELDS)
        config = dataclasses.replace(TrainingConfig("word"), **preset)
        assert config.preview_every % config.eval_every == 0
        assert 5 <= config.steps // config.preview_every <= 7


def test_a_name_becomes_a_token_or_a_reason(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home = studio.home(person)
    assert "&lt;our-cat&gt;" in name_html(home, "en", "Our Cat")[0]
    assert "a token holds at most" in name_html(home, "en", "cat " * 20)[0]
    assert "トークンにできません" in name_html(home, "ja", "ねこ")[0]
    learn(studio, person, tmp_path, token="our-cat")
    line, free = name_html(home, "en", "our cat")
    assert "already" in line
    assert free == "<our-cat-2>"
    part = form.settings
    assert show_name(studio, person, part, "our cat")[part.use_free].visible
    assert take_free_name(studio, person, part, "our cat") == {part.token: "our-cat-2"}
    with pytest.raises(gr.Error, match="our-cat-2"):
        start(studio, person, some_pictures(studio, person, tmp_path), token="our-cat")


def test_times_wait_for_the_model_and_follow_the_settings(studio: Studio, tmp_path: Path) -> None:
    unloaded = Studio(tmp_path)
    assert all(text.endswith("…") for text, _ in preset_choices(unloaded, "en", 3, settings()))
    texts = [text for text, _ in preset_choices(studio, "en", 3, settings())]
    assert all(text.endswith(("s", "min")) for text in texts)
    slow = time_html(studio, "en", 3, settings(steps=1_000_000))
    assert " h here" in slow and "1000000 steps" in slow
    wrong = time_html(studio, "ja", 3, settings(steps=0))
    assert "ステップ数は 1 から" in wrong


def times(
    studio: Studio, person: gr.Request, form: Form, shown: Any = None, **changes: Any
) -> dict[Any, Any]:
    values = {form.settings.controls[field]: value for field, value in settings(**changes).items()}
    return show_times(studio, person, form, {**values, form.shown_times: shown, form.pictures.set_name: ""})


def test_times_are_sent_only_when_they_change(form: Form, studio: Studio, person: gr.Request) -> None:
    updates = times(studio, person, form)
    shown = updates[form.shown_times]
    assert updates[form.settings.preset].choices == [tuple(choice) for choice in shown[1]]
    assert times(studio, person, form, shown) == {}


def test_settings_that_are_no_preset_are_ones_own(form: Form, studio: Studio, person: gr.Request) -> None:
    def shown(**changes: Any) -> gr.Radio:
        return times(studio, person, form, **changes)[form.settings.preset]

    quick = shown(**PRESETS["quick"])
    assert quick.value == "quick" and [name for _, name in quick.choices] == list(PRESETS)
    changed = shown(**PRESETS["quick"] | {"steps": 123})
    assert changed.value == "own"
    text, name = changed.choices[-1]
    assert name == "own" and re.fullmatch(r"Own settings: at most \d+ (s|min)", text)
    assert apply_preset(studio, person, form.settings, "own") == {}


def test_the_model_suggests_a_word(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    said = list(suggest_word(studio, person, some_pictures(studio, person, tmp_path), "object", 0))
    assert [word for word, _ in said[:-1]] == [None] * (len(said) - 1)
    word, line = said[-1]
    assert word in OBJECT_WORDS
    assert word in line
    assert studio.device.waiting == 0
    with pytest.raises(gr.Error, match="Add a picture first"):
        next(suggest_word(studio, person, new_set(studio.home(person)), "object", 0))


def test_a_suggestion_is_filled_in(form: Form, studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    part, chosen = form.settings, some_pictures(studio, person, tmp_path)
    *before, last = fill_in_word(studio, person, form, chosen.name, "object", 0)
    assert all(set(updates) == {part.word_line} for updates in before)
    assert last[part.initializer] in last[part.word_line]


def test_a_suggestion_that_fails_leaves_no_line_behind(
    form: Form, studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        raise TrainingError("The memory of the device is full.")

    monkeypatch.setattr(suggestion, "prepare", full)
    chosen, lines = some_pictures(studio, person, tmp_path), []
    with pytest.raises(TrainingError):
        for updates in fill_in_word(studio, person, form, chosen.name, "object", 0):
            lines.append(updates[form.settings.word_line])
    assert "known words" in lines[-2] and lines[-1] == ""


# --- a run ------------------------------------------------------------------------------------------------


def test_what_cannot_start(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    with pytest.raises(gr.Error, match="Add a picture first"):
        start(studio, person, new_set(studio.home(person)))
    with pytest.raises(ConfigError, match="steps"):
        start(studio, person, chosen, steps=None)
    with pytest.raises(TokenNameError):
        start(studio, person, chosen, token="")
    with pytest.raises(ModelError, match="No model"):
        start(Studio(tmp_path / "other"), person, chosen)
    assert run_choices(studio, studio.home(person), "en") == [("+ Learn a new word", "")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 2001}, "Steps is 2001: lower it to 2000"),
        ({"batch_size": 4, "gradient_accumulation": 5}, "Batch size × gradient accumulation is 20: lower"),
        ({"eval_rows": 65}, "Views of a check is 65: lower it to 64"),
        ({"vectors": 17}, "Vectors is 17: lower it to 16"),
    ],
)
def test_on_a_shared_server_no_training_holds_the_device_for_hours(
    studio: Studio, person: gr.Request, tmp_path: Path, changes: dict[str, int], sentence: str
) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    shared = Studio(tmp_path / "shared", shared=True)
    with pytest.raises(gr.Error, match=sentence):
        start(shared, person, chosen, **changes)
    most = {"steps": 2000, "batch_size": 4, "gradient_accumulation": 4, "eval_rows": 64, "vectors": 16}
    for server, allowed in ((shared, most), (Studio(tmp_path / "own"), changes)):
        with pytest.raises(ModelError, match="No model"):  # which is asked for after that
            start(server, person, chosen, **allowed)


def test_a_caption_and_an_initial_word_have_an_end(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    with pytest.raises(PromptError, match="has 4001 characters: shorten it to 4000"):
        start(studio, person, chosen, initializer="a" * 4001)
    chosen = caption_picture(chosen, chosen.pictures[1].id, "a" * 4001)
    with pytest.raises(PromptError, match="has 4001 characters: shorten it to 4000"):
        start(studio, person, chosen)


def test_a_word_is_learned_in_the_background_and_kept(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    run = start(studio, person, chosen, token="toy", preview_every=2)
    view = read_view(studio, person, run)
    assert view.can_stop and not view.can_resume and view.result is None
    nothing = read_view(studio, person, None)
    assert nothing.learning == view.learning == {run.folder.name}, "the page goes on asking in the form, too"
    assert nothing.is_read and not nothing.run
    assert "Training of &lt;toy&gt;" in view.title
    assert "at the latest" in view.facts
    assert studio.trainer.wait(run, SECONDS)

    view = read_view(studio, person, newest_run(studio, studio.home(person)))
    assert not view.can_stop and not view.can_resume and not view.learning
    assert view.run == run.folder.name
    assert "all 4 steps are done" in view.progress
    assert view.result is not None
    assert (view.strip, view.facts, view.chart) == ("", "", ""), "all of it is folded away now"
    course = view.result.course
    assert "It started from “cat”." in course and "Known words nearest" in course
    assert course.count("<img") == 2 + 2  # pictures and previews
    assert "<svg" in course and "2 noisy views" in course
    assert view.result.steps == (0, 2, 4) == tuple(saved_steps(run))
    assert "&lt;toy&gt; is learned" in view.result.headline
    assert studio.home(person).library.find("<toy>").thumbnail is not None
    assert [name for _, name in run_choices(studio, studio.home(person), "en")] == ["", run.folder.name]


def test_the_server_speaks_japanese(studio: Studio, tmp_path: Path) -> None:
    person = request_of(person="japanese", language="ja")
    view = read_view(studio, person, learn(studio, person, tmp_path, preview_every=4))
    assert "4 ステップすべてが終わりました" in view.progress
    assert view.result is not None
    assert "「cat」から始めました" in view.result.course and "損失" in view.result.course
    assert "「わたしのことば」に加えました" in view.result.headline


def test_one_word_is_not_learned_twice_at_a_time(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    long = {"token": "twin", "steps": 100_000, "stop": "never"}
    run = start(studio, person, chosen, **long)
    with pytest.raises(gr.Error, match="being learned already"):
        start(studio, person, chosen, **long)
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)


def test_stopped_it_keeps_what_it_has_and_goes_on(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    run = start(studio, person, chosen, token="pause", steps=100_000, stop="never")
    until(lambda: studio.trainer.status(run).step >= 3)
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)
    stopped = read_view(studio, person, run)
    assert stopped.can_resume and not stopped.can_stop
    assert "can be resumed" in stopped.progress
    assert stopped.result is not None and learned_token(studio.home(person), run) == "<pause>"

    step = run.step
    resume_run(studio, person, run)
    assert read_view(studio, person, run).result is None, "what is learned now is not the result"
    until(lambda: studio.trainer.status(run).step >= step + 3)
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)
    assert run.step > step
    entries, _ = studio.home(person).library.entries()
    assert [entry.concept.token for entry in entries] == ["<pause>"]


def test_a_run_that_was_killed_at_its_end_can_be_resumed(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    run = learn(studio, person, tmp_path)
    for file in run.folder.glob("state*"):  # after the last vectors, before the state that tells the end
        file.unlink()
    view = read_view(studio, person, run)
    assert view.can_resume and "can be resumed" in view.progress


def test_a_preview_that_cannot_be_drawn_is_told_once(
    studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise GenerationError("The memory of the device is full: lower the batch size.")

    monkeypatch.setattr(loop, "generate", fail)
    view = read_view(studio, person, learn(studio, person, tmp_path, preview_every=2))
    assert view.result is not None and "all 4 steps are done" in view.progress
    assert view.result.course.count("preview") == 1
    assert "without the preview of step 4: The memory of the device is full" in view.result.course


def test_an_earlier_step_can_be_kept(
    panel: RunPanel, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="early", preview_every=2)
    finished = read_view(studio, person, run)
    part = panel.result
    assert "Preview after 2 steps" in show_step(studio, person, part, finished, 2)[part.step_info]
    assert "No preview" in show_step(studio, person, part, finished, 0.4)[part.step_info]
    assert keep_saved_step(home, run, 1.9) == "<early>"
    before = read_view(studio, person, run)
    assert home.library.find("<early>").concept.sha256 == concept_at(run, 2).sha256
    assert keep_saved_step(home, run, 0) == "<early>"
    after = read_view(studio, person, run)
    assert after.result is not None and after.result.step == 0
    assert is_new_result(before, after)
    assert not after.can_resume, "it has finished, whatever is kept of it"
    assert "not lower" in after.result.course


def test_the_loss_is_told_as_it_was_measured(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    run = learn(studio, person, tmp_path)
    facts = {"first_evaluation_loss": 0.2, "evaluation_loss": 0.15, "best_step": 4}
    told = loss_text("en", run, dataclasses.replace(run.concept(), training=facts))
    assert "0.2000 with “cat” and 0.1500" in told and "25.0 % lower" in told
    facts["evaluation_loss"] = 0.19999
    same = loss_text("en", run, dataclasses.replace(run.concept(), training=facts))
    assert "not lower" in same and "%" not in same


def test_a_result_replaces_no_other_word(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="mine")
    other = dataclasses.replace(run.concept(), vectors={"clip_l": run.concept().vectors["clip_l"] + 1})
    home.library.add(other, replace=True)
    assert learned_token(home, run) is None
    assert add_to_library(home, run, run.concept()) == "<mine-2>"
    assert home.library.find("<mine>").concept.sha256 == other.sha256
    assert add_to_library(home, run, concept_at(run, 0)) == "<mine-2>", "its own word it does replace"


def test_a_renamed_word_is_still_its_trainings(
    frame: Frame, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="our-m")
    home.library.rename("<our-m>", "tabby")
    updates = use_word(studio, person, frame, read_view(studio, person, run), 5)
    assert updates[frame.generate_prompt] == "a photo of <tabby>"
    assert updates[frame.words_changed] == 5
    assert keep_saved_step(home, run, 0) == "<tabby>"
    [entry] = home.library.entries()[0]
    assert entry.concept.sha256 == concept_at(run, 0).sha256


def test_the_evidence_is_drawn_once_judged_and_kept(
    panel: RunPanel, studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learn(studio, person, tmp_path, token="proof")
    view = read_view(studio, person, run)
    assert view.result is not None and view.result.is_drawable and not view.result.is_drawn
    part = panel.result
    *_, drawn, end = compare(studio, person, part, view)
    assert (drawn[part.drawing], drawn[part.finding]) == ("", "") and drawn[part.cancel].visible
    assert not end[part.draw].visible and not end[part.cancel].visible
    pictures = drawn[part.evidence]
    assert pictures.count("<figure>") == 4
    assert "<code>a photo of cat</code>" in pictures
    assert "a photo of &lt;proof&gt; on the moon" in pictures
    assert len(evidence_files(run, run.concept())) == 3
    assert "is not judged" in pictures and "hf download" in pictures
    after = read_view(studio, person, run)
    assert after.result is not None and after.result.is_drawn and after.result.evidence == pictures
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    judged = read_view(studio, person, run).result
    assert judged is not None
    assert re.search(r"judge: the picture with &lt;proof&gt; is .+ like your pictures", judged.finding)
    assert re.search(r"likeness -?0\.\d\d; with “cat” -?0\.\d\d; your pictures among", judged.finding)
    assert re.search(r"“a photo on the moon”.* \(agreement -?0\.\d\d", judged.evidence)
    kept = run.concept().sha256
    keep_saved_step(
        studio.home(person), run, next(step for step in (2, 4) if concept_at(run, step).sha256 != kept)
    )
    changed = read_view(studio, person, run)
    assert changed.result is not None and not changed.result.is_drawn, "drawn with other vectors"


def test_the_finding_says_how_far_the_word_came() -> None:
    def level(learned: float, initial: float, real: float) -> int:
        return level_of(Verdict("me", Score(learned, initial, real), "a cat", 0.3, "a dog", 0.2))

    assert [level(learned, 0.1, 0.6) for learned in (0.1, 0.2, 0.4, 0.6)] == [0, 1, 2, 3]
    assert level(0.5, 0.7, 0.6) == 0, "the initial word was nearer already"
    assert level(0.65, 0.7, 0.6) == 3, "and so is this one"


def test_the_word_is_taken_to_the_tab_that_draws(
    frame: Frame, panel: RunPanel, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    view = read_view(studio, person, learn(studio, person, tmp_path, token="ink", kind="style"))
    updates = use_word(studio, person, frame, view, 5)
    assert updates[frame.generate_prompt] == "a house in the style of <ink>"
    assert (updates[frame.tabs].selected, updates[frame.words_changed]) == ("generate", 5)
    studio.home(person).library.delete("<ink>")
    assert use_word(studio, person, frame, view, 5)[frame.words_changed] == 6
    assert studio.home(person).library.find("<ink>")
    archive = download_word(studio, person, panel.result, view)[panel.result.archive]
    assert Path(archive).name == "ink.zip"


def test_nobody_else_sees_or_stops_a_training(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    chosen = some_pictures(studio, person, tmp_path)
    run = start(studio, person, chosen, token="secret", steps=100_000, stop="never")
    view = read_view(studio, person, run)
    stranger = request_of(person="stranger")
    assert find_run(studio.home(stranger), view.run) is None
    assert newest_run(studio, studio.home(stranger)) is None
    with pytest.raises(gr.Error, match="no longer there"):
        current_run(studio, stranger, view.run)
    for name in ("../" + run.folder.name, str(run.folder), "", ".."):
        assert find_run(studio.home(person), name) is None
    assert read_view(studio, person, run).learning
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)


def test_only_what_has_changed_is_sent(panel: RunPanel) -> None:
    learning = frozenset({"run"})
    before = RunView("run", is_read=True, learning=learning, can_stop=True, **dict.fromkeys(RUN_TEXTS, "a"))
    assert view_updates(panel, before, before) == {panel.view: before}
    after = dataclasses.replace(before, progress="b", learning=frozenset(), can_stop=False)
    updates = view_updates(panel, before, after)
    assert set(updates) == {panel.view, panel.progress, panel.stop, panel.timer}
    assert updates[panel.progress] == "b"
    assert updates[panel.timer].active is False


# --- the chart --------------------------------------------------------------------------------------------


def test_the_chart_is_a_picture_that_can_be_read_aloud() -> None:
    raw = [(step, 0.1 + (step % 7) / 10) for step in range(1, 2001)]
    evaluations = [(0, 0.3), (1000, 0.2), (2000, 0.25)]
    [svg] = ElementTree.fromstring(loss_chart("en", raw, evaluations)).iter("svg")
    assert svg.get("role") == "img"
    assert (svg.findtext("title") or "") == "Loss over the steps"
    assert "the lowest was 0.2000 after 1000" in (svg.findtext("desc") or "")
    noisy, line = (element.get("points", "").split() for element in svg.iter("polyline"))
    assert len(noisy) <= 400
    heights = [float(point.split(",")[1]) for point in line]
    assert heights[1] > heights[2] > heights[0], "the lower the loss, the lower the point"


@pytest.mark.parametrize("evaluations", [[(0, 0.0)], [(0, 0.2), (20, 0.2)]])
@pytest.mark.parametrize("raw", [[], [(1, 0.5)]])
def test_the_chart_bears_few_and_equal_values(
    raw: list[tuple[int, float]], evaluations: list[tuple[int, float]]
) -> None:
    chart = loss_chart("ja", raw, evaluations)
    ElementTree.fromstring(chart)
    assert "nan" not in chart


def test_there_is_no_chart_of_nothing() -> None:
    assert loss_chart("en", [(1, 0.5)], []) == ""


def test_a_learned_word_is_published_with_the_pictures_of_its_comparison(
    panel: RunPanel, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    run = learn(studio, person, tmp_path)
    view = read_view(studio, person, run)
    word = find_word(studio, person, view)
    assert word.concept.sha256 == run.concept().sha256
    assert len(picture_files(word.folder)) == 2 and not gallery_files(word.folder)
    list(compare(studio, person, panel.result, view))
    assert find_word(studio, person, view).folder == word.folder
    prompts = [read_recipe(file).prompt for file in gallery_files(word.folder)]
    assert len(prompts) == 2 and all("<word>" in prompt for prompt in prompts)


def test_the_pictures_of_the_comparison_stay_with_the_word_in_the_library(
    panel: RunPanel, studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path)
    list(compare(studio, person, panel.result, read_view(studio, person, run)))
    drawn = [file.read_bytes() for file in evidence_files(run, run.concept())[1:]]

    def kept(token: str) -> list[bytes]:
        return [file.read_bytes() for file in gallery_files(home.library.find(token).folder)]

    assert kept("<word>") == drawn
    home.library.rename("<word>", "renamed")
    assert kept("<renamed>") == drawn
    home.library.delete("<renamed>")
    assert gallery_files(find_word(studio, person, read_view(studio, person, run)).folder) == []
    assert add_to_library(home, run, run.concept()) == "<word>"
    assert kept("<word>") == drawn, "put there again with its pictures"
    other = next(step for step in (2, 4) if concept_at(run, step).sha256 != run.concept().sha256)
    keep_saved_step(home, run, other)
    assert kept("<word>") == [], "they show other vectors"


def test_a_run_whose_note_has_its_old_name_still_knows_its_word(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="old")
    (run.folder / learned.NOTE).rename(run.folder / learned.OLD_NOTE)
    assert learned_token(home, run) == "<old>"
    assert find_training(home, home.library.find("<old>").concept) == run
    assert keep_saved_step(home, run, 0) == "<old>"
    assert find_training(home, concept_at(run, 0)) == run

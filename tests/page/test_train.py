"""The Train tab: pictures in, a word out, and nobody else's business."""

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
from helpers.requests import request_of
from helpers.tiny_models import save_tiny_judge
from PIL import Image

from ti_core.config import TrainingConfig
from ti_core.drawing.recipe import read_recipe
from ti_core.errors import (
    ConfigError,
    GenerationError,
    ModelError,
    PromptError,
    TokenNameError,
    TrainingError,
)
from ti_core.judging import judge as judging
from ti_core.judging.scores import Score, Verdict
from ti_core.prompts.initializers import OBJECT_WORDS
from ti_core.training import loop
from ti_core.training.runs import Run, concept_at, saved_steps
from ti_core.words.folder import picture_files
from ti_core.words.gallery import gallery_files
from ui.parts.chart import loss_chart
from ui.parts.verdicts import level_of
from ui.server.learned import learned_token
from ui.server.studio import Limits, Studio
from ui.tabs.train import form
from ui.tabs.train.form import (
    SetAside,
    add_to_desk,
    apply_preset,
    begin_training,
    begun_desk,
    bring_back,
    build_form,
    describe,
    fill_in_word,
    put_back,
    reframe,
    show_example,
    suggest_word,
    take_free_name,
    tell_name,
    tell_times,
)
from ui.tabs.train.job import (
    HTML_PARTS,
    build_job,
    compare,
    current_run,
    download_word,
    find_word,
    is_new_result,
    tell_step,
    use_word,
    view_changes,
)
from ui.tabs.train.pictures import (
    DESKS_KEPT,
    EXAMPLES,
    Desk,
    Framing,
    add_pictures,
    caption_picture,
    desk_html,
    example_desk,
    find_desk,
    framing_html,
    note_desk,
    prepared_pictures,
    reframe_picture,
    remove_picture,
    select_picture,
)
from ui.tabs.train.result import evidence_files, keep_saved_step, loss_in_words, shelve
from ui.tabs.train.runs import find_run, newest_run, resume_run, run_choices
from ui.tabs.train.settings import (
    FIELDS,
    OPTIONAL,
    PRESET_FIELDS,
    PRESETS,
    name_html,
    preset_choices,
    time_html,
)
from ui.tabs.train.view import JobView, job_view
from ui.texts import TEXTS

SECONDS = 120  # until a test gives up
SIDE = 16  # pixels, of the tiny model


@pytest.fixture(scope="module")
def studio(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A shared server with the tiny model, which may take its time; each test is another person."""
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


def settings(**changes: Any) -> list[Any]:
    """The form's values for a short run, in its order."""
    config = TrainingConfig(
        "word", initializer="cat", steps=4, batch_size=2, eval_every=2, eval_rows=2, lr_warmup_steps=0
    )
    values = {**config.to_dict(), **dict.fromkeys(OPTIONAL, 0), **changes}
    return [values[field] for field in FIELDS]


def desk_of(studio: Studio, person: gr.Request, folder: Path, count: int = 2) -> Desk:
    files = [picture_file(folder, f"{number}.png", seed=number) for number in range(count)]
    return add_pictures(studio, person, Desk(), files)


def learn(studio: Studio, person: gr.Request, folder: Path, **changes: Any) -> Run:
    """A run that has finished."""
    run = begin_training(studio, person, desk_of(studio, person, folder), *settings(**changes))
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
    desk = add_pictures(studio, person, Desk(), files)
    assert [card.seen.name for card in desk.cards] == ["a.png", "b.png"]
    assert len(desk.rejected) == 1
    assert "letter.jpg is a text file" in desk_html("en", desk)
    assert len(list((studio.home(person).folder / "uploads").rglob("*.*"))) == 0, "named as the visitor did"
    kept = [path for path in (studio.home(person).folder / "uploads").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(card.file for card in desk.cards)


def test_reasons_come_in_the_readers_language(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    reader = request_of(person="reader", language="ja")
    desk = add_pictures(studio, reader, Desk(), [str(tmp_path / "empty.png")])
    assert "empty.png は空のファイルです" in desk.rejected[0]


def test_pictures_are_counted_and_weighed(tmp_path: Path) -> None:
    studio = Studio(tmp_path / "homes", limits=Limits(pictures=2, picture_megabytes=1))
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(b"\0" * 1_000_001)
    desk = add_pictures(studio, request_of(), Desk(), [str(heavy)])
    assert desk.cards == ()
    assert "heavy.png is larger than 1 MB" in desk.rejected[0]
    desk = desk_of(studio, request_of(), tmp_path, count=3)
    assert len(desk.cards) == 2
    assert "No more than 2 pictures" in desk.rejected[0]


def test_of_many_desks_only_the_newest_keep_their_files(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    desks = [desk_of(studio, person, tmp_path, count=1) for _ in range(DESKS_KEPT + 1)]
    assert not desks[0].cards[0].file.exists()
    assert all(desk.cards[0].file.exists() for desk in desks[1:])


def test_a_removed_picture_leaves_the_disk_too(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    first, second = desk.cards
    left = remove_picture(select_picture(desk, first.id), first.id)
    assert left.cards == (second,)
    assert left.card is None
    assert not first.file.exists()
    assert remove_picture(left, "../../other").cards == left.cards


def test_another_part_of_a_picture_can_be_kept(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    image.save(tmp_path / "flag.png")
    desk = add_pictures(studio, person, Desk(), [str(tmp_path / "flag.png")])
    desk = select_picture(desk, desk.cards[0].id)
    for across, colour in ((0.0, (255, 0, 0)), (1.0, (0, 0, 255))):
        changed = reframe_picture(studio, desk, desk.cards[0].id, Framing(zoom=2, across=across, down=0.5))
        [picture] = prepared_pictures(changed, SIDE)
        assert picture.image.size == (SIDE, SIDE)
        assert picture.image.getextrema() == tuple((value, value) for value in colour)
        assert changed.card is not None and changed.card.seen.image.getpixel((8, 8)) == colour
        left, _, width = (f"{share:.2%}" for share in (0.75 * across, 0, 0.25))
        assert f"left:{left};" in framing_html("en", changed.card)
        assert f"width:{width};" in framing_html("en", changed.card)


def test_a_caption_is_learned_with_and_escaped(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    desk = caption_picture(desk, desk.cards[1].id, " on a <b>red</b>\n sofa ")
    assert [picture.caption for picture in prepared_pictures(desk, SIDE)] == [None, "on a <b>red</b> sofa"]
    assert "on a &lt;b&gt;red&lt;/b&gt; sofa" in desk_html("en", desk)
    assert "<b>" not in desk_html("en", desk)


def test_remarks_on_all_pictures_together(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    same = [picture_file(tmp_path, "a.png", seed=7)] * 3
    shown = desk_html("en", add_pictures(studio, person, Desk(), same[:2]))
    assert "nearly the same as Picture 1 (a.png)" in shown
    assert "So far: 2. It will do" in shown
    assert "The edges of all pictures look alike" in shown
    varied = desk_html("en", desk_of(studio, person, tmp_path, count=3))
    assert "nearly the same" not in varied and "will do" not in varied and "look alike" not in varied


def test_cards_of_one_file_name_are_told_apart(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = add_pictures(studio, person, Desk(), [picture_file(tmp_path, "a.png")] * 3)
    cards = desk_html("en", desk).split("</li>")
    for number in (1, 2, 3):
        assert sum(f'aria-label="Remove Picture {number} (a.png)"' in card for card in cards) == 1
        assert sum(f'alt="Picture {number} (a.png)"' in card for card in cards) == 1
    assert desk_html("en", desk).count("nearly the same as") == 2, "once on the second, once on the third"


def test_a_desk_is_found_again_as_it_was(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = add_to_desk(studio, person, Desk(), [picture_file(tmp_path, f"{name}.png") for name in "ab"])[0]
    desk = select_picture(desk, desk.cards[1].id)
    desk = reframe(studio, person, desk, desk.selected, 2.0, 0.0, 1.0)[0]
    desk = describe(studio, person, desk, desk.selected, "on a <b>sofa")
    again = bring_back(studio, person, desk.name)[0]
    assert (again.name, again.selected) == (desk.name, None)
    for before, after in zip(desk.cards, again.cards, strict=True):
        assert (after.file, after.framing, after.caption) == (before.file, before.framing, before.caption)
        assert after.seen.name == before.seen.name
        assert after.seen.image.tobytes() == before.seen.image.tobytes()


def test_a_desk_that_gradio_has_forgotten_is_found_by_what_the_browser_knows(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    desk = desk_of(studio, person, tmp_path)
    note_desk(desk)
    first, second = (card.id for card in desk.cards)
    again = begun_desk(studio, person, Desk(), desk.name, second, "on a sofa")
    assert [card.caption for card in again.cards] == ["", "on a sofa"], "to its last letter"
    assert begun_desk(studio, person, desk, desk.name, first, "asleep").folder == desk.folder
    assert begun_desk(studio, person, Desk(), "", "", "").cards == ()


def test_what_is_written_of_a_picture_stays_with_it(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    desk = desk_of(studio, person, tmp_path)
    first, second = (card.id for card in desk.cards)
    desk = describe(studio, person, select_picture(desk, second), first, "asleep")  # the other is open by now
    assert [card.caption for card in desk.cards] == ["asleep", ""]
    gone = remove_picture(desk, first)
    assert describe(studio, person, gone, first, "awake").cards == gone.cards


def test_nobody_finds_the_desk_of_another(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    note_desk(desk)
    assert len(find_desk(studio, person, desk.name).cards) == 2
    assert find_desk(studio, request_of(person="somebody else"), desk.name).cards == ()
    other = f"../../{studio.home(person).folder.name}/uploads/{desk.name}"
    assert find_desk(studio, request_of(person="somebody else"), other).cards == ()
    assert bring_back(studio, person, "") == [gr.skip()] * 5


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
    desk = example_desk(studio, person, example)
    assert len(desk.cards) == 4
    assert desk.rejected == ()


def test_an_example_takes_nothing_of_the_visitors_own(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    own = desk_of(studio, person, tmp_path)
    of_own = ("my-cat", "style")

    def shown(result: list[Any]) -> tuple[SetAside, bool, tuple[str, str], Desk]:
        aside, button, token, kind, desk, *_ = result
        return aside, button.visible, (token, kind), desk

    first = show_example(studio, person, SetAside(), own, own.name, *of_own, of="cat")
    aside, can_go_back, named, desk = shown(first)
    assert can_go_back and len(desk.cards) == 4 and named == ("our-cat", "object")
    second = show_example(studio, person, aside, desk, desk.name, *named, of="x-ray")
    aside, can_go_back, named, desk = shown(second)
    assert can_go_back and named == ("our-x-ray", "style")
    aside, can_go_back, named, desk = shown(put_back(studio, person, aside, desk, desk.name, *named))
    assert not can_go_back and named == of_own
    assert desk.cards == own.cards
    # What is added to an example is the visitor's own, too.
    aside, _, named, desk = shown(show_example(studio, person, aside, desk, desk.name, *named, of="cat"))
    mixed = add_pictures(studio, person, desk, [picture_file(tmp_path, "one more.png", seed=9)])
    aside, can_go_back, named, desk = shown(put_back(studio, person, aside, mixed, mixed.name, *named))
    assert can_go_back and desk.cards == own.cards and aside.desk.cards == mixed.cards


# --- name and settings ------------------------------------------------------------------------------------


def test_every_setting_has_a_control_with_a_label_and_help() -> None:
    with gr.Blocks():
        form = build_form()
    assert set(FIELDS) == {field.name for field in dataclasses.fields(TrainingConfig)}
    for field, control in zip(FIELDS, form.settings, strict=True):
        assert isinstance(control, gr.components.FormComponent), field
        assert TEXTS[f"train_{field}"] and TEXTS[f"train_{field}_info"]


def test_the_form_as_it_opens_is_the_usual_training() -> None:
    with gr.Blocks():
        form = build_form()
    opened = {field: control.value for field, control in zip(FIELDS, form.settings, strict=True)}
    usual = {**TrainingConfig("word").to_dict(), **dict.fromkeys(OPTIONAL, 0), "preview_every": 40}
    assert opened == {**usual, "token": None}


def test_a_preset_sets_what_it_says_and_previews_where_the_vectors_are_kept() -> None:
    assert apply_preset("quick") == [PRESETS["quick"][field] for field in PRESET_FIELDS]
    for preset in PRESETS.values():
        assert set(preset) == set(PRESET_FIELDS)
        config = dataclasses.replace(TrainingConfig("word"), **preset)
        assert config.preview_every % config.eval_every == 0
        assert 5 <= config.steps // config.preview_every <= 7


def test_a_name_becomes_a_token_or_a_reason(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    home = studio.home(person)
    assert "&lt;our-cat&gt;" in name_html(home, "en", "Our Cat")[0]
    assert "a token holds at most" in name_html(home, "en", "cat " * 20)[0]
    assert "トークンにできません" in name_html(home, "ja", "ねこ")[0]
    learn(studio, person, tmp_path, token="our-cat")
    line, free = name_html(home, "en", "our cat")
    assert "already" in line
    assert free == "<our-cat-2>"
    assert tell_name(studio, person, "our cat")[1].visible
    assert take_free_name(studio, person, "our cat") == "our-cat-2"
    with pytest.raises(gr.Error, match="our-cat-2"):
        begin_training(studio, person, desk_of(studio, person, tmp_path), *settings(token="our-cat"))


def test_times_wait_for_the_model_and_follow_the_settings(studio: Studio, tmp_path: Path) -> None:
    unloaded = Studio(tmp_path)
    assert all(text.endswith("…") for text, _ in preset_choices(unloaded, "en", 3, settings()))
    texts = [text for text, _ in preset_choices(studio, "en", 3, settings())]
    assert all(text.endswith(("s", "min")) for text in texts)
    slow = time_html(studio, "en", 3, settings(steps=1_000_000))
    assert " h here" in slow and "1000000 steps" in slow
    wrong = time_html(studio, "ja", 3, settings(steps=0))
    assert "ステップ数は 1 から" in wrong


def test_times_are_sent_only_when_they_change(studio: Studio, person: gr.Request) -> None:
    told, radio, _ = tell_times(studio, person, None, Desk(), *settings())
    assert radio.choices == [tuple(choice) for choice in told[1]]
    assert tell_times(studio, person, told, Desk(), *settings()) == [gr.skip()] * 3


def test_settings_that_are_no_preset_are_ones_own(studio: Studio, person: gr.Request) -> None:
    def shown(**changes: Any) -> gr.Radio:
        return tell_times(studio, person, None, Desk(), *settings(**changes))[1]

    quick = shown(**PRESETS["quick"])
    assert quick.value == "quick" and [name for _, name in quick.choices] == list(PRESETS)
    changed = shown(**PRESETS["quick"] | {"steps": 123})
    assert changed.value == "own"
    text, name = changed.choices[-1]
    assert name == "own" and re.fullmatch(r"Own settings: at most \d+ (s|min)", text)
    assert apply_preset("own") == [gr.skip()] * len(PRESET_FIELDS)


def test_the_model_suggests_a_word(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    said = list(suggest_word(studio, person, desk_of(studio, person, tmp_path), "object", 0))
    assert [word for word, _ in said[:-1]] == [None] * (len(said) - 1)
    word, line = said[-1]
    assert word in OBJECT_WORDS
    assert word in line
    assert studio.device.waiting == 0
    with pytest.raises(gr.Error, match="Add a picture first"):
        next(suggest_word(studio, person, Desk(), "object", 0))


def test_a_suggestion_that_fails_leaves_no_line_behind(
    studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        raise TrainingError("The memory of the device is full.")

    monkeypatch.setattr(form, "prepare", full)
    updates = fill_in_word(studio, person, desk_of(studio, person, tmp_path), "", "object", 0)
    lines = []
    with pytest.raises(TrainingError):
        for _, line in updates:
            lines.append(line)
    assert "known words" in lines[-2] and lines[-1] == ""


# --- a run ------------------------------------------------------------------------------------------------


def test_what_cannot_start(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    with pytest.raises(gr.Error, match="Add a picture first"):
        begin_training(studio, person, Desk(), *settings())
    with pytest.raises(ConfigError, match="steps"):
        begin_training(studio, person, desk, *settings(steps=None))
    with pytest.raises(TokenNameError):
        begin_training(studio, person, desk, *settings(token=""))
    with pytest.raises(ModelError, match="No model"):
        begin_training(Studio(tmp_path / "other"), person, desk, *settings())
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
    desk = desk_of(studio, person, tmp_path)
    shared = Studio(tmp_path / "shared", shared=True)
    with pytest.raises(gr.Error, match=sentence):
        begin_training(shared, person, desk, *settings(**changes))
    most = {"steps": 2000, "batch_size": 4, "gradient_accumulation": 4, "eval_rows": 64, "vectors": 16}
    for server, allowed in ((shared, most), (Studio(tmp_path / "own"), changes)):
        with pytest.raises(ModelError, match="No model"):  # which is asked for after that
            begin_training(server, person, desk, *settings(**allowed))


def test_a_caption_and_an_initial_word_have_an_end(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    desk = desk_of(studio, person, tmp_path)
    with pytest.raises(PromptError, match="has 4001 characters: shorten it to 4000"):
        begin_training(studio, person, desk, *settings(initializer="a" * 4001))
    desk = caption_picture(desk, desk.cards[1].id, "a" * 4001)
    with pytest.raises(PromptError, match="has 4001 characters: shorten it to 4000"):
        begin_training(studio, person, desk, *settings())


def test_a_word_is_learned_in_the_background_and_kept(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    desk = desk_of(studio, person, tmp_path)
    run = begin_training(studio, person, desk, *settings(token="toy", preview_every=2))
    view = job_view(studio, person, run)
    assert view.can_stop and not view.can_resume and view.result is None
    form = job_view(studio, person, None)
    assert form.learning == view.learning == {run.folder.name}, "the page goes on asking in the form, too"
    assert form.told and not form.run
    assert "Training of &lt;toy&gt;" in view.title
    assert "at the latest" in view.facts
    assert studio.trainer.wait(run, SECONDS)

    view = job_view(studio, person, newest_run(studio, studio.home(person)))
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
    view = job_view(studio, person, learn(studio, person, tmp_path, preview_every=4))
    assert "4 ステップすべてが終わりました" in view.progress
    assert view.result is not None
    assert "「cat」から始めました" in view.result.course and "損失" in view.result.course
    assert "「わたしのことば」に加えました" in view.result.headline


def test_one_word_is_not_learned_twice_at_a_time(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk, long = desk_of(studio, person, tmp_path), settings(token="twin", steps=100_000, stop="never")
    run = begin_training(studio, person, desk, *long)
    with pytest.raises(gr.Error, match="being learned already"):
        begin_training(studio, person, desk, *long)
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)


def test_stopped_it_keeps_what_it_has_and_goes_on(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    run = begin_training(studio, person, desk, *settings(token="pause", steps=100_000, stop="never"))
    until(lambda: studio.trainer.status(run).step >= 3)
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)
    stopped = job_view(studio, person, run)
    assert stopped.can_resume and not stopped.can_stop
    assert "can be resumed" in stopped.progress
    assert stopped.result is not None and learned_token(studio.home(person), run) == "<pause>"

    step = run.step
    resume_run(studio, person, run)
    assert job_view(studio, person, run).result is None, "what is learned now is not the result"
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
    view = job_view(studio, person, run)
    assert view.can_resume and "can be resumed" in view.progress


def test_a_preview_that_cannot_be_drawn_is_told_once(
    studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise GenerationError("The memory of the device is full: lower the batch size.")

    monkeypatch.setattr(loop, "generate", fail)
    view = job_view(studio, person, learn(studio, person, tmp_path, preview_every=2))
    assert view.result is not None and "all 4 steps are done" in view.progress
    assert view.result.course.count("preview") == 1
    assert "without the preview of step 4: The memory of the device is full" in view.result.course


def test_an_earlier_step_can_be_kept(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="early", preview_every=2)
    finished = job_view(studio, person, run)
    assert "Preview after 2 steps" in tell_step(studio, person, finished, 2)
    assert "No preview" in tell_step(studio, person, finished, 0.4)
    assert keep_saved_step(home, run, 1.9) == "<early>"
    before = job_view(studio, person, run)
    assert home.library.find("<early>").concept.sha256 == concept_at(run, 2).sha256
    assert keep_saved_step(home, run, 0) == "<early>"
    after = job_view(studio, person, run)
    assert after.result is not None and after.result.step == 0
    assert is_new_result(before, after)
    assert not after.can_resume, "it has finished, whatever is kept of it"
    assert "not lower" in after.result.course


def test_the_loss_is_told_as_it_was_measured(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    run = learn(studio, person, tmp_path)
    facts = {"first_evaluation_loss": 0.2, "evaluation_loss": 0.15, "best_step": 4}
    told = loss_in_words("en", run, dataclasses.replace(run.concept(), training=facts))
    assert "0.2000 with “cat” and 0.1500" in told and "25.0 % lower" in told
    facts["evaluation_loss"] = 0.19999
    same = loss_in_words("en", run, dataclasses.replace(run.concept(), training=facts))
    assert "not lower" in same and "%" not in same


def test_a_result_replaces_no_other_word(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="mine")
    other = dataclasses.replace(run.concept(), vectors={"clip_l": run.concept().vectors["clip_l"] + 1})
    home.library.add(other, replace=True)
    assert learned_token(home, run) is None
    assert shelve(home, run, run.concept()) == "<mine-2>"
    assert home.library.find("<mine>").concept.sha256 == other.sha256
    assert shelve(home, run, concept_at(run, 0)) == "<mine-2>", "its own word it does replace"


def test_a_renamed_word_is_still_its_trainings(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path, token="our-m")
    home.library.rename("<our-m>", "tabby")
    assert use_word(studio, person, job_view(studio, person, run), 5)[::2] == ["a photo of <tabby>", 5]
    assert keep_saved_step(home, run, 0) == "<tabby>"
    [entry] = home.library.entries()[0]
    assert entry.concept.sha256 == concept_at(run, 0).sha256


def test_the_evidence_is_drawn_once_judged_and_kept(
    studio: Studio, person: gr.Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learn(studio, person, tmp_path, token="proof")
    view = job_view(studio, person, run)
    assert view.result is not None and view.result.drawable and not view.result.drawn
    *_, (line, finding, pictures, _, going_on), (*_, again, cancel) = compare(studio, person, view)
    assert (line, finding) == ("", "") and going_on.visible
    assert not again.visible and not cancel.visible
    assert pictures.count("<figure>") == 4
    assert "<code>a photo of cat</code>" in pictures
    assert "a photo of &lt;proof&gt; on the moon" in pictures
    assert len(evidence_files(run, run.concept())) == 3
    assert "is not judged" in pictures and "hf download" in pictures
    after = job_view(studio, person, run)
    assert after.result is not None and after.result.drawn and after.result.evidence == pictures
    monkeypatch.setattr(judging, "GENERAL_JUDGE", str(save_tiny_judge(tmp_path / "judge")))
    judged = job_view(studio, person, run).result
    assert judged is not None
    assert re.search(r"judge: the picture with &lt;proof&gt; is .+ like your pictures", judged.finding)
    assert re.search(r"likeness -?0\.\d\d; with “cat” -?0\.\d\d; your pictures among", judged.finding)
    assert re.search(r"“a photo on the moon”.* \(agreement -?0\.\d\d", judged.evidence)
    kept = run.concept().sha256
    keep_saved_step(
        studio.home(person), run, next(step for step in (2, 4) if concept_at(run, step).sha256 != kept)
    )
    changed = job_view(studio, person, run)
    assert changed.result is not None and not changed.result.drawn, "drawn with other vectors"


def test_the_finding_says_how_far_the_word_came() -> None:
    def level(learned: float, initial: float, real: float) -> int:
        return level_of(Verdict("me", Score(learned, initial, real), "a cat", 0.3, "a dog", 0.2))

    assert [level(learned, 0.1, 0.6) for learned in (0.1, 0.2, 0.4, 0.6)] == [0, 1, 2, 3]
    assert level(0.5, 0.7, 0.6) == 0, "the initial word was nearer already"
    assert level(0.65, 0.7, 0.6) == 3, "and so is this one"


def test_the_word_is_taken_to_the_tab_that_draws(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    view = job_view(studio, person, learn(studio, person, tmp_path, token="ink", kind="style"))
    prompt, tabs, words = use_word(studio, person, view, 5)
    assert (prompt, tabs.selected, words) == ("a house in the style of <ink>", "generate", 5)
    studio.home(person).library.delete("<ink>")
    assert use_word(studio, person, view, 5)[2] == 6
    assert studio.home(person).library.find("<ink>")
    assert Path(download_word(studio, person, view)).name == "ink.zip"


def test_nobody_else_sees_or_stops_a_training(studio: Studio, person: gr.Request, tmp_path: Path) -> None:
    desk = desk_of(studio, person, tmp_path)
    run = begin_training(studio, person, desk, *settings(token="secret", steps=100_000, stop="never"))
    view = job_view(studio, person, run)
    stranger = request_of(person="stranger")
    assert find_run(studio.home(stranger), view.run) is None
    assert newest_run(studio, studio.home(stranger)) is None
    with pytest.raises(gr.Error, match="no longer there"):
        current_run(studio, stranger, view)
    for name in ("../" + run.folder.name, str(run.folder), "", ".."):
        assert find_run(studio.home(person), name) is None
    assert job_view(studio, person, run).learning
    studio.trainer.stop(run)
    assert studio.trainer.wait(run, SECONDS)


def test_only_what_has_changed_is_sent() -> None:
    with gr.Blocks():
        part = build_job()
    learning = frozenset({"run"})
    before = JobView("run", told=True, learning=learning, can_stop=True, **dict.fromkeys(HTML_PARTS, "a"))
    assert view_changes(part, before, before) == {part.view: before}
    after = dataclasses.replace(before, progress="b", learning=frozenset(), can_stop=False)
    changes = view_changes(part, before, after)
    assert set(changes) == {part.view, part.progress, part.stop, part.timer}
    assert changes[part.progress] == "b"
    assert changes[part.timer].active is False


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
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    run = learn(studio, person, tmp_path)
    view = job_view(studio, person, run)
    word = find_word(studio, person, view)
    assert word.concept.sha256 == run.concept().sha256
    assert len(picture_files(word.folder)) == 2 and not gallery_files(word.folder)
    list(compare(studio, person, view))
    assert find_word(studio, person, view).folder == word.folder
    prompts = [read_recipe(file).prompt for file in gallery_files(word.folder)]
    assert len(prompts) == 2 and all("<word>" in prompt for prompt in prompts)


def test_the_pictures_of_the_comparison_stay_with_the_word_in_the_library(
    studio: Studio, person: gr.Request, tmp_path: Path
) -> None:
    home, run = studio.home(person), learn(studio, person, tmp_path)
    list(compare(studio, person, job_view(studio, person, run)))
    drawn = [file.read_bytes() for file in evidence_files(run, run.concept())[1:]]

    def kept(token: str) -> list[bytes]:
        return [file.read_bytes() for file in gallery_files(home.library.find(token).folder)]

    assert kept("<word>") == drawn
    home.library.rename("<word>", "renamed")
    assert kept("<renamed>") == drawn
    home.library.delete("<renamed>")
    assert gallery_files(find_word(studio, person, job_view(studio, person, run)).folder) == []
    assert shelve(home, run, run.concept()) == "<word>"
    assert kept("<word>") == drawn, "put there again with its pictures"
    other = next(step for step in (2, 4) if concept_at(run, step).sha256 != run.concept().sha256)
    keep_saved_step(home, run, other)
    assert kept("<word>") == [], "they show other vectors"

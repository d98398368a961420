"""Named endpoints through which programs use the page, for example with gradio_client.

    client = Client("http://127.0.0.1:7860")
    job = client.predict([handle_file("1.jpg"), handle_file("2.jpg")], "our-cat", api_name="/train")
    client.predict(job, api_name="/status")
    client.predict("a photo of <our-cat> on the beach", api_name="/generate")

On a shared server, a program gets a home of its own by sending a cookie that it makes up once and keeps:
``Client(address, headers={"Cookie": f"one-word-home={secrets.token_urlsafe(32)}"})``.
"""

# No `from __future__ import annotations` here: Gradio reads the signature of an endpoint from real types.

import dataclasses
import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from ti_core.config import TrainingConfig, check_whole
from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.pictures.decode import open_picture
from ti_core.prompts.composition import RESTYLE_STRENGTH, restyle_prompt, style_prompts
from ti_core.prompts.templates import Kind
from ti_core.training.runs import Run
from ui.parts.controls import MAX_COUNT, MAX_STEPS
from ui.server.downloads import serve_copy
from ui.server.drawing import draw_in_turn, draw_orders
from ui.server.errors import error_text, refusal
from ui.server.learned import learned_token
from ui.server.studio import Studio
from ui.server.words import all_words, concepts_in
from ui.tabs.compose.drawing import compose_order, weights_of, words_for
from ui.tabs.style.drawing import MAX_PICTURES_AT_ONCE
from ui.tabs.train.picture_set import PictureSet, add_pictures
from ui.tabs.train.runs import find_run, start_run
from ui.texts import language_of

Pictures = list[gr.FileData]


def build(studio: Studio) -> None:
    """Publish the endpoints. Each works in the home of its request and waits in the queue shared by all."""

    def train(
        request: gr.Request,
        pictures: Pictures,
        name: str,
        kind: Kind = "object",
        initializer: str = "auto",
        steps: int = TrainingConfig.steps,
        batch_size: int = TrainingConfig.batch_size,
        seed: int = 0,
    ) -> str:
        """Begin to learn a word from three to five pictures. Returns the job, for /status and /stop."""
        with plain_errors(request):
            config = TrainingConfig(name, kind, initializer, steps=steps, batch_size=batch_size, seed=seed)
            return learn(studio, request, pictures, config).folder.name

    def status(request: gr.Request, job: str) -> dict[str, Any]:
        """How far a training is: phase, step of steps, seconds_left, token, and why it failed if it did.

        Where a GPU is only lent, each call first trains for as long as it is lent: call it again and again.
        """
        with plain_errors(request):
            if studio.slices is not None:
                studio.slices.go_on(run_of(studio, request, job))
            return describe_job(studio, request, job)

    def stop(request: gr.Request, job: str) -> dict[str, Any]:
        """End a training after the step under way; the best of the last vectors become the word."""
        with plain_errors(request):
            studio.trainer.stop(run_of(studio, request, job))
            return describe_job(studio, request, job)

    def words(request: gr.Request) -> list[dict[str, Any]]:
        """The words that there are, newest first: token, kind, model, initializer, vectors."""
        with plain_errors(request):
            return [
                {
                    "token": word.token,
                    "kind": word.kind,
                    "model": word.base.id,
                    "initializer": word.initializer,
                    "vectors": word.num_vectors,
                }
                for word in all_words(studio.home(request).library).values()
            ]

    def generate(
        request: gr.Request,
        prompt: str,
        negative: str = "",
        count: int = 4,
        seed: int = 0,
        steps: int = 25,
        guidance: float = 0.0,
    ) -> Iterator[Pictures]:
        """Draw a prompt that may mention words, <our-cat>. Returns PNG files with their recipe inside.

        Guidance 0 is what the model draws best with, for this and the other ways to draw.
        """
        with plain_errors(request):
            settings = settings_of(prompt, negative, count, seed, steps, guidance)
            yield from draw(studio, request, [plain_order(studio, request, settings)])

    def compose(
        request: gr.Request,
        prompt: str,
        tokens: list[str],
        weights: list[float] | None = None,
        negative: str = "",
        count: int = 4,
        seed: int = 0,
        steps: int = 25,
        guidance: float = 0.0,
    ) -> Iterator[Pictures]:
        """Draw two or more words that stand in the prompt, each with a weight (default: 1)."""
        with plain_errors(request):
            library = studio.home(request).library
            chosen = tuple(library.find(token).concept.token for token in tokens)
            settings = settings_of(prompt, negative, count, seed, steps, guidance)
            weight_of = weights_of(settings.prompt, chosen, weights or [])
            words = words_for(studio.home(request), settings, weight_of)
            yield from draw(studio, request, [compose_order(settings, words, weight_of)])

    def style(
        request: gr.Request,
        token: str,
        subjects: list[str] | None = None,
        picture: gr.FileData | None = None,
        strength: float = RESTYLE_STRENGTH,
        negative: str = "",
        count: int = 1,
        seed: int = 0,
        steps: int = 25,
        guidance: float = 0.0,
    ) -> Iterator[Pictures]:
        """Draw subjects in the style of a word, or redraw a picture in it: the higher strength, the freer."""
        with plain_errors(request):
            word = studio.home(request).library.find(token).concept
            common = negative, count, seed, steps, guidance
            orders = [
                plain_order(studio, request, settings_of(prompt, *common))
                for prompt in style_prompts(word.token, subjects or [])
            ]
            if picture is not None:
                settings = settings_of(restyle_prompt(word.token), *common, strength=strength)
                source, _, _ = open_picture(uploaded(studio, request, [picture])[0], alpha="flatten")
                order = plain_order(studio, request, settings)
                orders.append(dataclasses.replace(order, source=source))
            if not orders:
                raise refusal(language_of(request), "style_no_subjects")
            yield from draw(studio, request, orders)

    for endpoint in (train, status, stop, words, generate, compose, style):
        gr.api(endpoint, api_name=endpoint.__name__)


@contextmanager
def plain_errors(request: gr.Request) -> Iterator[None]:
    """Turn any error into the sentence that a reader of the page would see, as plain text, not HTML."""
    try:
        yield
    except gr.Error as error:
        raise gr.Error(html.unescape(error.message), print_exception=False) from error
    except Exception as error:
        raise gr.Error(error_text(language_of(request), error), print_exception=False) from error


def uploaded(studio: Studio, request: gr.Request, files: Sequence[Any]) -> list[str]:
    """Return the paths of uploaded files; refuse any other path that a caller might name."""
    folder = Path(get_upload_folder()).resolve()
    paths = []
    for file in files:
        path = Path(str(file.get("path", "") if isinstance(file, dict) else "")).resolve()
        if folder not in path.parents or not path.is_file():
            raise refusal(language_of(request), "frame_not_uploaded")
        paths.append(str(path))
    return paths


def learn(studio: Studio, request: gr.Request, pictures: Sequence[Any], config: TrainingConfig) -> Run:
    """Start a training and raise errors as the page does, also for the first picture that is unusable."""
    files = uploaded(studio, request, pictures)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        chosen, rejected = add_pictures(studio, request, PictureSet(Path(folder)), files)
        if rejected:
            raise gr.Error(html.escape(rejected[0]), print_exception=False)
        return start_run(studio, request, chosen, config)


def run_of(studio: Studio, request: gr.Request, job: str) -> Run:
    run = find_run(studio.home(request), str(job))
    if run is None:
        raise refusal(language_of(request), "frame_no_job")
    return run


def describe_job(studio: Studio, request: gr.Request, job: str) -> dict[str, Any]:
    """Return a job's status as plain values; the token is the library's once the word is in it."""
    run = run_of(studio, request, job)
    now = studio.trainer.status(run)
    return {
        "phase": now.phase,
        "step": now.step,
        "steps": now.steps,
        "seconds_left": now.seconds_left,
        "token": learned_token(studio.home(request), run) or run.config.token,
        "error": None if now.error is None else error_text(language_of(request), now.error),
    }


def settings_of(
    prompt: str,
    negative: str,
    count: int,
    seed: int,
    steps: int,
    guidance: float,
    *,
    strength: float | None = None,
) -> GenerationSettings:
    """Make drawing settings. Raises :class:`ConfigError`, also for values beyond what the page offers."""
    check_whole("count", count, 1, MAX_COUNT)
    check_whole("steps", steps, 1, MAX_STEPS)
    return GenerationSettings(
        prompt=prompt,
        negative_prompt=negative,
        count=count,
        seed=seed,
        steps=steps,
        guidance_scale=guidance or None,
        strength=strength,
    )


def plain_order(studio: Studio, request: gr.Request, settings: GenerationSettings) -> Order:
    """Combine the settings with those of the person's words that the prompts mention."""
    known = all_words(studio.home(request).library)
    return Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt))


def draw(studio: Studio, request: gr.Request, orders: Sequence[Order]) -> Iterator[Pictures]:
    """Draw when it is the request's turn; yield all files so far whenever a new one is ready."""
    total = sum(order.settings.count for order in orders)
    if total > MAX_PICTURES_AT_ONCE:
        raise refusal(language_of(request), "style_many_pictures", count=total, most=MAX_PICTURES_AT_ONCE)
    shown = 0
    for progress in draw_in_turn(studio, request, draw_orders(lambda _: orders)):
        if len(progress.pictures) > shown:
            shown = len(progress.pictures)
            yield [gr.FileData(path=serve_copy(drawn.path)).model_dump() for drawn in progress.pictures]  # type: ignore

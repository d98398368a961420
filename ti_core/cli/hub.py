"""``push`` and ``pull``: publish a concept on the Hugging Face Hub, and download one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ti_core.cli.terminal import JsonOption, reporting, say
from ti_core.errors import ConfigError
from ti_core.messages import template

PHASES = {
    "checking": template("Looking at what is there…"),
    "creating": template("Making the repository…"),
    "uploading": template("Uploading…"),
}


def push_command(
    folder: Annotated[Path, typer.Argument(metavar="CONCEPT", help="The concept's folder.")],
    repo_id: Annotated[str, typer.Argument(metavar="REPO_ID", help="owner/name, or a name of your own.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository a private one.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose it as a pull request.")] = False,
    pictures: Annotated[bool, typer.Option("--pictures", help="Publish its training pictures too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a concept on the Hugging Face Hub, with the login of `hf auth login`.

    The pictures in its folder's `gallery`, PNG files with their recipes inside, stand on the card; without
    any, those of earlier pushes stay.
    """
    with reporting(as_json) as report:
        from huggingface_hub import get_token

        from ti_core.hub import push_concept
        from ti_core.pictures.decode import open_picture
        from ti_core.words.folder import load_concept, picture_files
        from ti_core.words.gallery import gallery_files

        concept = load_concept(folder)
        images = [open_picture(file)[0] for file in picture_files(folder)] if pictures else []
        pushed = push_concept(
            concept,
            repo_id,
            token=get_token(),
            private=private,
            create_pr=create_pr,
            pictures=images,
            gallery=gallery_files(folder),
            on_progress=lambda phase: say(PHASES[phase]),
        )
        report.facts |= {
            "token": concept.token,
            "url": pushed.url,
            "commit": pushed.commit,
            "was_there": pushed.was_there,
            "keeps_card": pushed.keeps_card,
            "pictures": len(images),
        }
        report.say(
            "{token} was there already: {url}"
            if pushed.was_there
            else "{token} is proposed: {url}"
            if create_pr
            else "{token} is published: {url}",
            token=concept.token,
            url=pushed.url,
        )
        if pushed.keeps_card:
            report.say("Its README.md was edited there and stays as it is: delete it to get a new one.")


def pull_command(
    repo_id: Annotated[str, typer.Argument(metavar="REPO_ID", help="owner/name on the Hub.")],
    out: Annotated[Path, typer.Option(help="The folder to make of it.")],
    revision: Annotated[
        str | None, typer.Option(help="A branch, tag or commit.", show_default="the newest")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a concept from the Hugging Face Hub."""
    with reporting(as_json) as report:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError("{folder} holds something already: choose another --out.", folder=out)
        from huggingface_hub import get_token

        from ti_core.hub import pull_concept
        from ti_core.words.folder import save_concept

        pulled = pull_concept(repo_id, token=get_token(), revision=revision)
        concept = pulled.concept
        save_concept(concept, out, pulled.pictures)
        if pulled.guessed:
            say(
                "{name} names no base model: {model} is a guess by the width of the vectors.",
                name=repo_id,
                model=concept.base.id,
            )
        report.facts |= {
            "token": concept.token,
            "folder": str(out),
            "model": concept.base.id,
            "guessed": pulled.guessed,
            "commit": pulled.commit,
        }
        report.say(
            "{token}, for {model}, is in {folder}.", token=concept.token, model=concept.base.id, folder=out
        )

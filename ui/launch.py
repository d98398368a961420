"""Start the page: read its options, choose its address and serve it.

Gradio and torch take seconds to import, so only the functions that need them import them. Help and usage
errors then appear at once.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ti_core.cli import STYLE
from ti_core.cli import main as run_command_line
from ti_core.cli.terminal import say, told
from ti_core.cli.usage import Command
from ti_core.errors import ConfigError, ModelError, OneWordError
from ti_core.interrupts import until_stopped
from ti_core.messages import Message, Said

if TYPE_CHECKING:
    import gradio as gr

    from ui.server.studio import Studio

FIRST_PORT = 7860
PORTS, PORTS_TRIED = 2**16, 20
DATA_VARIABLE = "ONE_WORD_DATA"
ON_SPACE = "SPACE_ID" in os.environ


def main() -> None:
    """Serve the page with the options of the command line, as app.py does; ends with SystemExit."""
    until_stopped(lambda: run_command_line(command_line(), "python app.py"))


def command_line() -> typer.Typer:
    """Return a command line that consists of the page's options alone."""
    commands = typer.Typer(**STYLE)
    commands.command(cls=Command)(page_command)
    return commands


def check_port(port: int) -> int:
    """Raise :class:`ConfigError` if the number is not a valid port."""
    if 0 < port < PORTS:
        return port
    raise ConfigError("{port} is no port: choose one from 1 to {last}.", port=port, last=PORTS - 1)


def page_command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0" if ON_SPACE else "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(callback=check_port, help="Port; if it is taken, the next free one."),
    ] = FIRST_PORT,
    model: Annotated[
        str,
        typer.Option(
            envvar="ONE_WORD_MODEL",
            help="Preset, folder, checkpoint file, or {repository} on the Hub.",
        ),
    ] = "toybox",
    data: Annotated[Path, typer.Option(envvar=DATA_VARIABLE, help="Folder of words and runs.")] = Path(
        "outputs", "page"
    ),
    shared: Annotated[
        bool, typer.Option("--shared", help="Keep the words of each browser apart (always so on a Space).")
    ] = ON_SPACE,
    share: Annotated[
        bool,
        typer.Option(
            "--share", help="Open a public address through Gradio's tunnel; --shared comes with it."
        ),
    ] = False,
    no_safety_checker: Annotated[
        bool,
        typer.Option(
            "--no-safety-checker",
            help="Leave out the safety checker of a model that ships one (not on a shared server).",
        ),
    ] = False,
    max_waiting: Annotated[int, typer.Option(help="Drawings that may wait in the queue.")] = 16,
    max_jobs: Annotated[int, typer.Option(help="Words that are learned at the same time.")] = 8,
    max_pictures: Annotated[int, typer.Option(help="Pictures of one word.")] = 30,
    max_steps: Annotated[int, typer.Option(help="Steps of one word on a shared server.")] = 2000,
) -> None:
    """Serve the page: teach a picture model one new word, and draw with it."""
    shared = shared or share
    if shared and no_safety_checker:
        raise ConfigError("On a shared server the safety checker stays on: leave out --no-safety-checker.")
    free = free_port(host, port)
    if free != port:
        print(told(Message("Port {port} is taken; using {free} instead.", port=port, free=free)), flush=True)

    import ui.server.zero  # noqa: F401  (before anything touches CUDA)
    from ti_core.model.sources import model_source
    from ui.server.studio import Limits, Studio

    try:
        model_source(model)
    except ModelError as error:
        give_up(error)
    limits = Limits(waiting=max_waiting, jobs=max_jobs, pictures=max_pictures, steps=max_steps)
    data = data.resolve()
    studio = Studio(data, shared=shared, limits=limits)
    studio.models.safety_checker = not no_safety_checker
    page = serve(studio, data, host, free, share=share)
    studio.models.load(model)  # after serving: its imports would delay the page
    try:
        page.block_thread()
    finally:
        studio.trainer.close()
        studio.models.close()


def serve(studio: Studio, data: Path, host: str, port: int, *, share: bool = False) -> gr.Blocks:
    """Build the page over a studio and serve it. Returns once the page answers.

    Nothing in ``data`` is served directly: the page shows copies.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from starlette.middleware import Middleware

    from ui.page import HERE, THEME, FirstScript, build_page
    from ui.server.people import HomeCookie
    from ui.texts import label

    page = build_page(studio)
    page.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        share=share,
        prevent_thread_lock=True,
        i18n=label,
        theme=THEME,
        css_paths=HERE / "page.css",
        max_file_size=f"{4 * studio.limits.picture_megabytes}mb",  # a larger file fails its whole upload
        app_kwargs={"middleware": [Middleware(HomeCookie), Middleware(FirstScript)]},
        footer_links=["api"],
        blocked_paths=[str(data)],
        run_history=False,
        enable_monitoring=False,
        strict_cors=True,
        ssr_mode=False,
    )
    return page


def free_port(host: str, first: int) -> int:
    """Return ``first`` or the next port that is free. Ends the program if there is none."""
    ports = range(first, min(first + PORTS_TRIED, PORTS))
    for port in ports:
        try:
            # Gradio also probes the port at 127.0.0.1, whatever the host.
            if can_listen(host, port) and can_listen("127.0.0.1", port):
                return port
        except (OSError, UnicodeError):
            give_up(
                "{host} is no address of this machine: choose another with --host, such as 127.0.0.1.",
                host=host,
            )
    give_up(
        "Ports {first} to {last} are all taken: choose another with --port.", first=ports[0], last=ports[-1]
    )


def can_listen(host: str, port: int) -> bool:
    """Whether this program can listen at the address.

    Raises :class:`OSError` or :class:`UnicodeError` if the address is not this machine's.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        if os.name == "posix":  # elsewhere this option would allow a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def give_up(reason: Said | OneWordError, /, **values: Any) -> NoReturn:
    """End the program with a usage error; ``reason`` and ``values`` are a message's template and values."""
    say(reason, **values)
    sys.exit(2)

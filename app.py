"""Start the page: ``python app.py``; ``--help`` lists what can be set."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import gradio as gr

    from ui.server.studio import Studio

FIRST_PORT = 7860
DATA = Path(__file__).resolve().parent / "outputs" / "page"
PORTS, PORTS_TRIED = 2**16, 20


def main() -> None:
    options = read_options()
    port = free_port(options.host, options.port)
    if port != options.port:
        print(f"Port {options.port} is taken; using {port} instead.", flush=True)

    import ui.server.zero  # noqa: F401  (before anything touches CUDA)
    from ti_core.errors import ModelError
    from ti_core.model.sources import model_source
    from ui.server.studio import Limits, Studio

    try:
        model_source(options.model)
    except ModelError as error:
        give_up(str(error))
    limits = Limits(
        waiting=options.max_waiting,
        jobs=options.max_jobs,
        pictures=options.max_pictures,
        steps=options.max_steps,
    )
    data = options.data.resolve()
    studio = Studio(data, shared=options.shared, limits=limits)
    studio.models.safety_checker = options.safety_checker
    page = serve(studio, data, options.host, port, share=options.share)
    studio.models.load(options.model)  # only now: what it imports would keep the page waiting
    try:
        page.block_thread()
    finally:
        studio.trainer.close()
        studio.models.close()


def serve(studio: Studio, data: Path, host: str, port: int, *, share: bool = False) -> gr.Blocks:
    """Build the page over a studio and serve it, but nothing of ``data``, of which the page shows copies.

    Returns once the page answers.
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
        max_file_size=f"{4 * studio.limits.picture_megabytes}mb",  # one above it takes its company with it
        app_kwargs={"middleware": [Middleware(HomeCookie), Middleware(FirstScript)]},
        footer_links=["api"],
        blocked_paths=[str(data)],
        run_history=False,
        enable_monitoring=False,
        strict_cors=True,
        ssr_mode=False,
    )
    return page


def read_options() -> argparse.Namespace:
    on_space = "SPACE_ID" in os.environ
    parser = argparse.ArgumentParser(description="One Word: teach a picture model one new word.")
    parser.add_argument("--host", default="0.0.0.0" if on_space else "127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=port_number, default=FIRST_PORT, help="port; if it is taken, the next free one"
    )
    parser.add_argument(
        "--model",
        default=os.environ.get("ONE_WORD_MODEL", "toybox"),
        help="preset, folder, checkpoint file, or owner/name[@revision][:variant] on the Hugging Face Hub "
        "(default: ONE_WORD_MODEL of the environment, or else toybox)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("ONE_WORD_DATA", DATA)),
        help="folder of words and runs (default: ONE_WORD_DATA of the environment, or else outputs/page)",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        default=on_space,
        help="keep the words of each browser apart (always so on a Space)",
    )
    parser.add_argument("--share", action="store_true", help="a public address through Gradio's tunnel")
    parser.add_argument(
        "--no-safety-checker",
        dest="safety_checker",
        action="store_false",
        help="leave out the safety checker of a model that ships one (not on a shared server)",
    )
    parser.add_argument("--max-waiting", type=int, default=16, help="drawings that may wait in the queue")
    parser.add_argument("--max-jobs", type=int, default=8, help="words that are learned at the same time")
    parser.add_argument("--max-pictures", type=int, default=30, help="pictures of one word")
    parser.add_argument("--max-steps", type=int, default=2000, help="steps of one word on a shared server")
    options = parser.parse_args()
    options.shared = options.shared or options.share
    if options.shared and not options.safety_checker:
        parser.error("On a shared server the safety checker stays on: leave out --no-safety-checker.")
    return options


def port_number(text: str) -> int:
    """Raises :class:`argparse.ArgumentTypeError` for what is no port."""
    if text.isdecimal() and 0 < int(text) < PORTS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no port: choose one from 1 to {PORTS - 1}.")


def free_port(host: str, first: int) -> int:
    """``first``, or the next port that nothing listens on. Ends the program if there is none."""
    ports = range(first, min(first + PORTS_TRIED, PORTS))
    for port in ports:
        try:
            # Gradio asks for the port at 127.0.0.1 too, whatever the host.
            if can_listen(host, port) and can_listen("127.0.0.1", port):
                return port
        except (OSError, UnicodeError):
            give_up(f"{host} is no address of this machine: choose another with --host, such as 127.0.0.1.")
    give_up(f"Ports {ports[0]} to {ports[-1]} are all taken: choose another with --port.")


def can_listen(host: str, port: int) -> bool:
    """Whether nothing listens there. Raises :class:`OSError` or :class:`UnicodeError` for an address that is
    not this machine's."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        if os.name == "posix":  # elsewhere it would take a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def give_up(reason: str) -> NoReturn:
    """End the program as for every input that cannot be used."""
    print(reason, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()

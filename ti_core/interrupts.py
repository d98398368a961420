"""Handle Ctrl-C until a command begins; from then on :mod:`ti_core.cli.terminal` handles it."""

from __future__ import annotations

import sys
from collections.abc import Callable


def until_stopped(program: Callable[[], None]) -> None:
    """Run a program that imports its own modules; Ctrl-C ends it with one sentence, even during imports."""
    try:
        program()
    except KeyboardInterrupt:
        from ti_core.languages import choose_language, environment_wishes, split_language, tell
        from ti_core.messages import Message

        asked, _ = split_language(sys.argv[1:])
        language = choose_language([asked or "", *environment_wishes()])
        print(tell(language, Message("Stopped.")), file=sys.stderr)
        if "--json" in sys.argv:
            print('{"error": "Stopped.", "kind": "KeyboardInterrupt"}')
        sys.exit(1)

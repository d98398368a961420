"""``python -m ti_core``: the command line of :mod:`ti_core.cli`."""

import sys
from collections.abc import Callable


def run() -> None:
    """Run the command line, importing its modules only here so that Ctrl-C during imports is handled."""
    from ti_core.cli import main

    main()


def until_stopped(program: Callable[[], None]) -> None:
    """Run ``program``; on Ctrl-C before a command has begun, print one sentence and exit with status 1.

    Once a command has begun, :func:`ti_core.cli.main` handles Ctrl-C itself.
    """
    try:
        program()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        if "--json" in sys.argv:
            print('{"error": "Stopped.", "kind": "KeyboardInterrupt"}')
        sys.exit(1)


if __name__ == "__main__":
    until_stopped(run)

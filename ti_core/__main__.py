"""``python -m ti_core``: the command line of :mod:`ti_core.cli`."""

import sys
from collections.abc import Callable


def run() -> None:
    """Run the command line; its modules are imported only here, where a Ctrl-C is met."""
    from ti_core.cli import main

    main()


def until_stopped(program: Callable[[], None]) -> None:
    """Run a program that :func:`ti_core.cli.main` ends.

    Ctrl-C before a command has begun, such as while the modules are imported, ends it with one sentence.
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

"""``python -m ti_core``: the command line of :mod:`ti_core.cli`."""

from ti_core.interrupts import until_stopped


def run() -> None:
    """Import the command line and run it."""
    from ti_core.cli import main

    main()


if __name__ == "__main__":
    until_stopped(run)

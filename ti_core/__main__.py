"""``python -m ti_core``: the command line of :mod:`ti_core.cli`."""

from ti_core.cli import main

if __name__ == "__main__":
    main()

"""``python -m ti_core``: the command line of :mod:`ti_core.cli`."""

import sys

if __name__ == "__main__":
    try:
        from ti_core.cli import main

        main()
    except KeyboardInterrupt:  # before a command has begun, such as while the modules are imported
        print("Stopped.", file=sys.stderr)
        if "--json" in sys.argv:
            print('{"error": "Stopped.", "kind": "KeyboardInterrupt"}')
        sys.exit(1)

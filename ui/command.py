"""The installed command ``one-word``: every command of the core, and ``page``."""

from ti_core.interrupts import until_stopped


def one_word() -> None:
    """Run the installed command."""
    until_stopped(run)


def run() -> None:
    """Import the commands and run the command line."""
    from ti_core.cli import app, main
    from ti_core.cli.terminal import SCRIPT
    from ti_core.cli.usage import Command
    from ui.launch import page_command

    app.command("page", cls=Command)(page_command)
    main(app, SCRIPT)

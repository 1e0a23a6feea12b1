"""The `streamcli` command, and `python -m streamcli`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line. Until it takes over the signals, Ctrl-C ends it silently, as it does a program in C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from streamcli.cli.main import main as run

    run()


if __name__ == "__main__":
    main()

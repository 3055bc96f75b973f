"""The command line: `microtrain --help`."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point of the `microtrain` command."""
    from ..errors import MicrotrainError
    from .app import app

    try:
        app()
    except MicrotrainError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:  # a folder that can't be written to, a full disk
        print(f"{error.filename}: {error.strerror}." if error.filename else error, file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt as error:  # some say what is safe
        print(str(error) or "Interrupted.", file=sys.stderr)
        raise SystemExit(130) from None

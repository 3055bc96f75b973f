"""`python -m microtrain` is the `microtrain` command."""

from .cli import main

main()

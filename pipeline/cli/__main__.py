"""`python -m pipeline.cli` is `daypass`."""

from pipeline.cli.main import main

main()

"""``python -m luytre``."""

from luytre.cli.main import main

main()

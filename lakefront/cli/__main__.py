"""``python -m lakefront.cli`` is the ``lakefront`` command."""

from lakefront.cli.main import main

main()

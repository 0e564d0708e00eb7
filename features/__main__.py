"""``python -m features apply``: bring Feast's registry in line with this folder."""

from __future__ import annotations

import sys

from features import publish


def main(arguments: list[str]) -> int:
    """Run a command of the Feast repository; returns the exit status."""
    if arguments != ["apply"]:
        print("usage: python -m features apply", file=sys.stderr)
        return 2
    print("applied" if publish.apply() else "already applied")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command galaxy-zoo-decals as it is installed: Ctrl-C ends it in one line from its first moment on."""

from __future__ import annotations

from galaxy_zoo_decals import interruption


def main() -> int:
    """Run the command line and return the exit status."""
    interruption.until_ready("galaxy-zoo-decals")
    from galaxy_zoo_decals.cli import main as run

    return run()

"""`python -m galaxy_zoo_decals`: the command galaxy-zoo-decals where its script is not on PATH."""

import sys

from galaxy_zoo_decals.command import main

if __name__ == "__main__":
    sys.exit(main())

"""Make `python -m ftpretrieve` the same as the `ftpretrieve` command. Must hold no logic of its own."""

import sys

from ftpretrieve.cli import main

if __name__ == "__main__":
    sys.exit(main())

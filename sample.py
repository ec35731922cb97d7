"""`python sample.py`: see README.md, or run it without arguments."""

import sys
from pathlib import Path

from darkroom.commands.sample import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], conf=Path(__file__).resolve().parent / "conf"))

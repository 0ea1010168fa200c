"""`python -m tests.coach`: see tests/coach/cli.py."""

import sys
from pathlib import Path

if __name__ == "__main__":
    try:
        from tests.coach.cli import main
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed for {sys.executable}.", file=sys.stderr)
        if Path(".venv").is_dir():
            print("It may be in .venv: activate that first, as README.md says.", file=sys.stderr)
        else:
            print("Install what the exercises need first, as README.md says.", file=sys.stderr)
        sys.exit(2)
    sys.exit(main())

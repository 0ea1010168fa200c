"""`python -m grading`: see grading/cli.py."""

import sys
from pathlib import Path

if sys.platform != "linux":
    print("Not graded: the jail needs Linux. On Windows, WSL is one.", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    try:
        from grading.cli import main
    except ModuleNotFoundError as error:
        venv = Path(__file__).parents[1] / ".venv"
        there = f"If it did: source {venv}/bin/activate" if venv.is_dir() else "Type that first."
        print(
            f"Not graded: {error.name} is not installed for {sys.executable}. `make instructor` installs it into .venv. {there}",
            file=sys.stderr,
        )
        sys.exit(2)
    main()

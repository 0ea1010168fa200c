"""`python -m grading`: see grading/cli.py."""

import sys

if sys.platform != "linux":
    print("Not graded: the jail needs Linux. On Windows, WSL is one.", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    try:
        from grading.cli import main
    except ModuleNotFoundError as error:
        print(
            f"Not graded: {error.name} is not installed here. `make instructor` installs it.", file=sys.stderr
        )
        sys.exit(2)
    main()

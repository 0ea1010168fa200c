"""A warm helper that stops an experiment after two seconds of the processor, where others let it have ten.

Whatever runs into that limit is stopped in the same way, and takes a fifth of the time. `suite.hasty` starts it.
"""

import socket
import sys

from grading.helper import main
from tests import limits

if __name__ == "__main__":
    limits.CPU_SECONDS = 2.0
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])

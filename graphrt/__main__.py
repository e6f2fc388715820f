"""`python -m graphrt` is the command line."""

import sys

try:
    from graphrt.cli import main

    code = main()
except KeyboardInterrupt:  # while the program was being loaded
    code = 130
sys.exit(code)

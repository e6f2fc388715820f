"""`python -m graphrt` is the command line."""

import sys

from graphrt.cli import main

sys.exit(main())

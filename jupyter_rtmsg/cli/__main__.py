"""``python -m jupyter_rtmsg.cli``: the same as ``jupyter rtmsg``."""

import sys

from .main import main

sys.exit(main())

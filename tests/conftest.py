"""No test takes over a source policy that an earlier one, or the user, left in the cache."""

import os

os.environ["HEADSTART_CACHE"] = "off"

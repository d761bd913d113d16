"""`python -m mage_server …` is `mage start …`, closed; its options are those of `mage start`."""

import runpy

# A process that multiprocessing spawns, as on macOS, begins with the main module of its parent if
# that is not called `__main__`; else it would do without what `start` does for it.
runpy.run_module("mage_server.start", run_name="__main__", alter_sys=True)

"""What Mage runs: pipelines, their blocks and triggers."""

from mage_server.run_record import record_this_run
from nyc_tlc.jobs.log import fail_on_one_screen

# Here too and not only where jobs are opened: a run's variables are read before.
fail_on_one_screen()
record_this_run()

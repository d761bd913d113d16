"""What is measured: each module names a study's cases over a workbench."""

from qa.benchmarks.studies.compare import COMPARE
from qa.benchmarks.studies.partitions import PARTITIONS
from qa.benchmarks.studies.scale import SCALE
from qa.benchmarks.studies.settings import SETTINGS
from qa.benchmarks.studies.workers import WORKERS

STUDIES = {study.name: study for study in (COMPARE, SCALE, PARTITIONS, WORKERS, SETTINGS)}

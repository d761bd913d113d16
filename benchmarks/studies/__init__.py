"""What is measured: each module names a study's cases over a workbench."""

from benchmarks.studies.compare import COMPARE
from benchmarks.studies.partitions import PARTITIONS
from benchmarks.studies.scale import SCALE
from benchmarks.studies.settings import SETTINGS
from benchmarks.studies.workers import WORKERS

STUDIES = {study.name: study for study in (COMPARE, SCALE, PARTITIONS, WORKERS, SETTINGS)}

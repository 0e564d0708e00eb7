"""From bronze to decisions: streaming consumers, Spark jobs, dbt, training and publishing, held together by Dagster."""

import os

# Training is single-threaded by design (two cores, and the shop runs beside it); must be set before numpy loads its BLAS.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

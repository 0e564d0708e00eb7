"""Online decisions: features read from Feast's online store, models scored, fallbacks; and the merchandisers' pages."""

import os

# Scoring uses one thread: the arrays are small, and BLAS threads would spin beside the requests. Read when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

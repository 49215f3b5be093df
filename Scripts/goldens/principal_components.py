"""What principal components explain of vectors, beside a dictionary: `components.safetensors` and `.json`.

Explained are, for each number of components, the shares by the formulas of the dictionaries' explained variances,
of a reconstruction that NumPy makes in double precision: `u[:, :k] * s[:k] @ v[:k]` of the centred vectors.
"""

import numpy

from .common import ROOT, Goldens, randn, save_json

SPARSE = ROOT / "Tests" / "SDLensSparseTests" / "Goldens"


def make() -> None:
    goldens = Goldens(SPARSE / "components.safetensors")
    # The shape of the tests' small store: 10 pictures of 2 steps and 6 places, width 6; far from 0, correlated.
    vectors = randn("components.vectors", 120, 6) @ randn("components.mixing", 6, 6) + randn("components.mean", 6, scale=5)
    goldens.put("vectors", vectors)
    goldens.save()

    h = vectors.numpy().astype(numpy.float64)
    mean = h.mean(0)
    u, s, v = numpy.linalg.svd(h - mean, full_matrices=False)
    explained, mean_explained = [], []
    for k in range(1, 7):
        error = h - ((u[:, :k] * s[:k]) @ v[:k] + mean)
        explained.append(float(1 - (error**2).sum() / ((h - mean) ** 2).sum()))
        mean_explained.append(float((1 - error.var(0, ddof=1) / (h.var(0, ddof=1) + 1e-8)).mean()))
    save_json(SPARSE / "components.json", {"explained": explained, "meanExplained": mean_explained})

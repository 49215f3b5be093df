"""Linear probes of recorded vectors, learned on the even pictures and measured on the odd ones.

`probe.safetensors` has `vectors` [60, 6, 5] (pictures of 2 x 3 positions; channel 4 is the sum of 0 and 1, so that least
squares has many solutions); `probe.json` the labels and what scikit-learn reaches: `LinearRegression` and, behind
`StandardScaler`, `LogisticRegression(C=0.1)`.
"""

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler

from .common import STUDY, Goldens, save_json

PICTURES, HEIGHT, WIDTH, CHANNELS = 60, 2, 3, 5


def make() -> None:
    rng = np.random.default_rng(52)
    arrays = Goldens(STUDY / "probe.safetensors")
    places = HEIGHT * WIDTH
    vectors = rng.standard_normal((PICTURES, places, CHANNELS))
    vectors[..., 0] += np.arange(places) // WIDTH * 1.5
    vectors[..., 1] += np.arange(places) % WIDTH
    kinds = rng.integers(0, 3, PICTURES)
    vectors[..., 2] += 0.6 * kinds[:, None]
    vectors[..., 4] = vectors[..., 0] + vectors[..., 1]
    vectors = arrays.put("vectors", torch.from_numpy(np.asarray(vectors, np.float32))).double().numpy()
    arrays.save()
    numbers = (vectors @ [1, -2, 0.5, 0, 0.25] + rng.standard_normal((PICTURES, places))).round(3)
    place = np.tile(np.arange(places), (PICTURES, 1))
    results = {
        "kinds": [["circle", "ring", "star"][kind] for kind in kinds],
        "numbers": numbers.tolist(),
        "rows": logistic(vectors, place // WIDTH),
        "columns": logistic(vectors, place % WIDTH),
        "kind": logistic(vectors.mean(1, keepdims=True), kinds[:, None]),
        "number": least_squares(vectors, numbers),
    }
    save_json(STUDY / "probe.json", results, compact=True)


def halves(values):
    return values[0::2].reshape(-1, *values.shape[2:]), values[1::2].reshape(-1, *values.shape[2:])


def logistic(x, labels) -> float:
    (train, test), (wanted, held_out) = halves(x), halves(labels)
    scaler = StandardScaler().fit(train)
    probe = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(scaler.transform(train), wanted)
    return float(probe.score(scaler.transform(test), held_out))


def least_squares(x, numbers) -> dict:
    (train, test), (wanted, held_out) = halves(x), halves(numbers)
    probe = LinearRegression().fit(train, wanted)
    told = probe.predict(test)
    return {
        "weights": probe.coef_.tolist(), "bias": float(probe.intercept_), "r2": r2_score(held_out, told),
        "error": mean_absolute_error(held_out, told),
    }

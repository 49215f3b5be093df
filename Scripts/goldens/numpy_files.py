"""Arrays as `numpy.save` writes them: every type that is read, both orders of the axes, and files that are refused."""

import numpy as np

from .common import CORE


def make() -> None:
    folder = CORE / "numpy"
    folder.mkdir(exist_ok=True)
    values = (np.arange(24).reshape(2, 3, 4) - 7) / 4
    for name, array in {
        "f2": values.astype("<f2"),
        "f4": values.astype("<f4"),
        "f8": values.astype("<f8"),
        "swapped": values.astype(">f8"),
        "columns": np.asfortranarray(values.astype("<f4")),
        "vector": values.astype("<f4")[0, 0],
        "refused-integers": values.astype("<i8"),
    }.items():
        np.save(folder / f"{name}.npy", array)
    with open(folder / "version2.npy", "wb") as file:
        np.lib.format.write_array(file, values.astype("<f4"), version=(2, 0))

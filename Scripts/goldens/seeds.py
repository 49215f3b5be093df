"""What `torch.Generator("cpu").manual_seed` makes of seeds at its ends: Tests/SDLensCoreTests/Goldens/seeds.json.

Seeds go from −2⁶³ to 2⁶⁴ − 1; a negative one is 2⁶⁴ + seed. Numbers are written as texts, since they are beyond 2⁵³.
"""

import torch

from .common import CORE, save_json

TAKEN = [0, -1, -2, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 5, 2**64 - 1, -(2**63), -(2**32) - 7]
REFUSED = [2**64, -(2**63) - 1, 10**30]


def make() -> None:
    cases = []
    for seed in TAKEN:
        generator = torch.Generator("cpu").manual_seed(seed)
        draws = torch.randn(16, generator=generator).tolist()
        cases.append({"seed": str(seed), "bits": str(generator.initial_seed()), "draws": draws})
    for seed in REFUSED:
        try:
            torch.Generator("cpu").manual_seed(seed)
        except (RuntimeError, OverflowError, ValueError):
            cases.append({"seed": str(seed), "bits": None, "draws": []})
        else:
            raise AssertionError(seed)
    save_json(CORE / "seeds.json", cases)

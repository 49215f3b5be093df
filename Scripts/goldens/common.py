"""Where goldens lie, how they are written, and the seeded numbers they start from."""

import json
import os
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "Tests" / "SDLensCoreTests" / "Goldens"
DIFFUSION = ROOT / "Tests" / "SDLensDiffusionTests" / "Goldens"
STUDY = ROOT / "Tests" / "SDLensStudyTests" / "Goldens"
TINY = DIFFUSION / "tiny"


def be_quiet() -> None:
    """No progress bars, no advice: to be called before transformers and diffusers are imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def be_deterministic() -> None:
    """One thread and no gradients, so that every run sums in the same order."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)


def randn(name: str, *shape: int, scale: float = 1.0) -> torch.Tensor:
    """Standard normal numbers that depend on `name` alone, so that a new case shifts no old one."""
    generator = torch.Generator("cpu").manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator) * scale


class Goldens:
    """Named float32 arrays on their way to one safetensors file."""

    def __init__(self, path: Path):
        self.path = path
        self.tensors: dict[str, torch.Tensor] = {}

    def put(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """Keeps a float32 copy of `value` in plain row-major order and hands `value` on."""
        assert name not in self.tensors, f"{name} is there already"
        kept = value.detach().to(torch.float32).contiguous().clone()
        assert torch.isfinite(kept).all(), f"{name} is not finite"
        self.tensors[name] = kept
        return value

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.tensors, self.path)
        self.path.chmod(0o644)
        print(f"  {self.path.relative_to(ROOT)}: {len(self.tensors)} tensors, {self.path.stat().st_size:,} bytes")


def save_json(path: Path, value, compact: bool = False) -> None:
    """ASCII JSON (everything else escaped), so that no editor normalises an awkward string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=None if compact else 1, ensure_ascii=True)
    path.write_text(text + "\n", encoding="ascii")
    print(f"  {path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def load_pipeline(folder: Path = TINY, **options):
    """The diffusers pipeline of the tiny model, in float32."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(
        folder, local_files_only=True, add_watermarker=False, **options
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

"""Activations as sdxl-unbox records them, of the sizes of the tiny model: `unbox/` and `unbox.safetensors`.

`unbox/whole`: three batches of 2, 2 and 1 pictures at two blocks, as float32; `unbox.safetensors` has what a store holds
of them, `BLOCK` [pictures, 1, places, width]. Every other folder has one thing wrong, which its name tells.
"""

import io
import json
import shutil
import tarfile

import torch

from .common import ROOT, Goldens, randn

SPARSE = ROOT / "Tests" / "SDLensSparseTests" / "Goldens"
FOLDER = SPARSE / "unbox"
BLOCKS = {"down.2.1": "unet.down_blocks.2.attentions.1", "mid.0": "unet.mid_block.attentions.0"}
WIDTH, SIDE = 32, 3


def make() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    goldens = Goldens(SPARSE / "unbox.safetensors")
    for name, path in BLOCKS.items():
        updates = {number: update(f"{name}.{number}", count) for number, count in enumerate([2, 2, 1])}
        write("whole", path, {number: members(number, value) for number, value in updates.items()})
        everything = torch.cat([value[:, 0] for value in updates.values()])
        goldens.put(name, everything.permute(0, 2, 3, 1).reshape(5, 1, SIDE * SIDE, WIDTH))
    goldens.save()
    write("whole", "images", {0: {"images.npy": b"not read"}})

    block, other = BLOCKS.values()
    one = update("one", 1)
    write("other-pictures", block, {0: members(0, one), 1: members(1, one)})
    write("other-pictures", other, {0: members(0, one), 2: members(2, one)})
    write("double", block, {0: members(0, one.double())})
    write("beyond-half", block, {0: members(0, one * 1e6)})
    write("nan", block, {0: members(0, one * torch.nan)})
    write("two-steps", block, {0: members(0, torch.cat([one, one], 1))})
    write("two-prompts", block, {0: members(0, one) | {"gen_args.json": members(0, update("two", 2))["gen_args.json"]}})
    write("no-update", block, {0: {name: value for name, value in members(0, one).items() if name != "diff.pth"}})
    write("no-prompts", block, {0: {"diff.pth": saved(one)}})
    write("no-pictures", block, {})
    write("other-size", block, {0: members(0, one), 1: members(1, update("wide", 1, side=4))})
    write("other-name", "unet.down_blocks.3", {0: members(0, one)})
    for path in FOLDER.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def update(name: str, pictures: int, side: int = SIDE) -> torch.Tensor:
    return randn(f"unbox.{name}", pictures, 1, WIDTH, side, side)


def members(number: int, value: torch.Tensor) -> dict[str, bytes]:
    """The files of a batch; `output.pth`, as large as the update, is left at one number."""
    prompts = [f"picture {number}.{picture}, a caf\u00e9" for picture in range(len(value))]
    arguments = {"prompt": prompts, "seed": number, "num_inference_steps": 1, "guidance_scale": 0.0}
    return {
        "output.pth": saved(torch.zeros(1)),
        "diff.pth": saved(value),
        "gen_args.json": json.dumps(arguments).encode(),
    }


def write(folder: str, name: str, samples: dict[int, dict[str, bytes]]) -> None:
    """A tar of a block, as webdataset's TarWriter makes it."""
    path = FOLDER / folder / f"{name}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, contents in samples.items():
            for ending, content in contents.items():
                member = tarfile.TarInfo(f"sample_{number}.{ending}")
                member.size, member.mode = len(content), 0o444
                tar.addfile(member, io.BytesIO(content))


def saved(value: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(value.clone(), buffer)
    return buffer.getvalue()

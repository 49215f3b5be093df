#!/usr/bin/env python3
"""Times one U-net pass and one VAE decode, ours and other programs', in one run on the same weights.

    bench_peers.py MODEL [--rounds 3] [--repeats 3] [--size 512] [--peers pytorch,openvino] [--ir FOLDER]

A round is every peer and precision in turn, then `sdlens-bench --model MODEL --json` in float32, in int16 and with the
OpenBLAS engine, each in a process of its own, so that only one copy of the weights is in memory and a drift of the
machine meets all sides. PyTorch runs contiguous and channels_last, of which the better one counts; OpenVINO, where it is
installed, from a model that is converted once into the folder --ir (weights in float16); both in float32 and, where the
processor multiplies it, in bfloat16. The result is the median over all rounds, as a ratio to each peer, and the peak of
the machine as `sdlens-bench operations` measures it: multiplications of floats in registers, in the same run. All cores
on all sides.

`sdlens-bench` is expected to print {"unet_seconds": […], "vae_seconds": […]} as the last line of its output.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYOUTS = ["contiguous", "channels_last"]
OURS = {"sdlens float32": [], "sdlens int16": ["--precision", "int16"], "sdlens openblas": ["--engine", "openblas"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder in diffusers layout")
    parser.add_argument("--rounds", type=int, default=3, help="how often the sides take turns (default 3)")
    parser.add_argument("--repeats", type=int, default=3, help="a peer's timed passes a round (default 3)")
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels (default 512)")
    parser.add_argument("--peers", default="pytorch,openvino", help="which others (default pytorch,openvino)")
    parser.add_argument("--ir", type=Path, default=Path("openvino-models"), help="where OpenVINO's model is kept")
    parser.add_argument("--bench", type=Path, default=ROOT / ".build/release/sdlens-bench", help="our program")
    parser.add_argument("--bench-options", default="", help="more options for it, in one string")
    parser.add_argument("--json", type=Path, help="write all times to this file too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="float32", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options)))
        return 0
    if not options.bench.is_file():
        sys.exit(f"{options.bench} is not there; build it with: swift build -c release --product sdlens-bench")
    peers = [name for name in options.peers.split(",") if name]
    if "openvino" in peers and importlib.util.find_spec("openvino") is None:
        print("openvino is not installed and is left out", file=sys.stderr)
        peers.remove("openvino")
    if "openvino" in peers and not (options.ir / f"vae-{options.size}.xml").is_file():
        print("converting the model for OpenVINO …", file=sys.stderr)
        run(child(options, "convert", "float32"))

    precisions = ["float32", "bfloat16"] if multiplies_bfloat16() else ["float32"]
    sides = {f"{peer} {precision}": child(options, peer, precision) for peer in peers for precision in precisions}
    for name, choice in OURS.items():
        sides[name] = [str(options.bench), "--model", str(options.model), "--size", str(options.size), *choice, "--json",
                       *options.bench_options.split()]
    times: dict[str, list[float]] = {}
    print_peak(options)
    for index in range(options.rounds):
        for side, command in sides.items():
            print(f"round {index + 1} of {options.rounds}: {side} …", file=sys.stderr)
            for key, values in run(command).items():
                part, _, layout = key.partition("_seconds")
                times.setdefault(f"{part}, {side}{layout.replace('.', ' ')}", []).extend(values)
    print_table(times)
    print_peak(options)
    if options.json:
        options.json.write_text(json.dumps(times, indent=1) + "\n")
    return 0


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for it; others emulate it, far slower than float32."""
    return bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))


def child(options, name: str, precision: str) -> list[str]:
    """The command that times one peer in one precision."""
    return [sys.executable, __file__, str(options.model), "--child", name, "--precision", precision,
            "--repeats", str(options.repeats), "--size", str(options.size), "--ir", str(options.ir)]


def print_peak(options) -> None:
    done = subprocess.run([str(options.bench), "operations", "--peak-only"], stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout.strip())


def run(command: list[str]) -> dict[str, list[float]]:
    """The lists of seconds in the JSON that `command` prints last."""
    # OpenBLAS obeys this variable, and a value meant for another processor halves its speed.
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with status {done.returncode}")
    start = done.stdout.rfind("\n{") + 1  # the object may stand alone or follow other output, on one line or several
    found = json.loads(done.stdout[start:])
    return {key: value for key, value in found.items() if "_seconds" in key and isinstance(value, list)}


def print_table(times: dict[str, list[float]]) -> None:
    print(f"{'':28} {'median s':>9} {'least s':>9} {'most s':>9} {'passes':>7}")
    for name in sorted(times):
        values = times[name]
        print(f"{name:28} {statistics.median(values):9.3f} {min(values):9.3f} {max(values):9.3f} {len(values):7}")
    for part in ("unet", "vae"):
        medians = {name: statistics.median(values) for name, values in times.items() if name.startswith(part)}
        for mine in OURS:
            for peer in ("pytorch float32", "openvino float32", "pytorch bfloat16", "openvino bfloat16"):
                theirs = [value for name, value in medians.items() if name.startswith(f"{part}, {peer}")]
                if theirs and f"{part}, {mine}" in medians:
                    print(f"{part}: {mine} / {peer} = {medians[f'{part}, {mine}'] / min(theirs):.3f}")


def models(options):
    """The name of each part, the PyTorch model in float32, and what it is called with: a list of tensors."""
    import torch

    from goldens import common
    from goldens.reference import load

    common.be_quiet()
    import diffusers

    side = options.size // 8
    ids = torch.tensor([[options.size, options.size, 0, 0, options.size, options.size]]).float()
    unet = load(options.model, "unet", diffusers.UNet2DConditionModel)
    config = unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim

    class Prediction(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unet = unet

        def forward(self, latents, text, pooled, ids):
            added = {"text_embeds": pooled, "time_ids": ids}
            return self.unet(latents, torch.tensor(999.0), encoder_hidden_states=text, added_cond_kwargs=added).sample

    yield "unet", Prediction().eval(), [
        torch.randn(1, config.in_channels, side, side), torch.randn(1, 77, config.cross_attention_dim),
        torch.randn(1, pooled), ids]
    del unet, Prediction
    vae = load(options.model, "vae", diffusers.AutoencoderKL)
    vae.encoder = None

    class Picture(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vae = vae

        def forward(self, latents):
            return self.vae.decode(latents).sample

    yield "vae", Picture().eval(), [torch.randn(1, vae.config.latent_channels, side, side)]


def time_pytorch(options) -> dict[str, list[float]]:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    times: dict[str, list[float]] = {}
    kind = getattr(torch, options.precision)
    with torch.inference_mode():
        for part, model, inputs in models(options):
            model.to(kind)
            for layout in LAYOUTS:
                form = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)
                model.to(memory_format=form)
                given = [inputs[0].to(kind).contiguous(memory_format=form)] + [value.to(kind) for value in inputs[1:]]
                times[f"{part}_seconds.{layout}"] = seconds(lambda: model(*given), options)
            del model
    return times


def convert_for_openvino(options) -> dict[str, list[float]]:
    import openvino
    import torch

    options.ir.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        for part, model, inputs in models(options):
            converted = openvino.convert_model(model, example_input=tuple(inputs))
            converted.reshape({port: list(value.shape) for port, value in zip(converted.inputs, inputs)})
            openvino.save_model(converted, options.ir / f"{part}-{options.size}.xml", compress_to_fp16=True)
            del model, converted
    return {}


def time_openvino(options) -> dict[str, list[float]]:
    import numpy
    import openvino

    times: dict[str, list[float]] = {}
    hints = {"INFERENCE_PRECISION_HINT": "f32" if options.precision == "float32" else "bf16",
             "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0))}
    for part in ("unet", "vae"):
        core = openvino.Core()
        read = core.read_model(options.ir / f"{part}-{options.size}.xml")
        given = [numpy.random.default_rng(index).standard_normal(list(port.shape), "float32")
                 for index, port in enumerate(read.inputs)]
        request = core.compile_model(read, "CPU", hints).create_infer_request()
        del read
        times[f"{part}_seconds"] = seconds(lambda: request.infer(given), options)
        del request
    return times


def seconds(call, options) -> list[float]:
    """Of each of some calls, after one that warms up."""
    call()
    times = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


CHILDREN = {"pytorch": time_pytorch, "openvino": time_openvino, "convert": convert_for_openvino}

if __name__ == "__main__":
    sys.exit(main())

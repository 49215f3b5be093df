#!/usr/bin/env python3
"""Runs every `hf download` that README.md and the program name, with the tool itself, against a small hub of our own.

    check_hf.py .build/release/sdlens

The hub serves the embedded model as any model in diffusers layout, its CLIP as any other, and a dictionary that is
trained first in the layout of sdxl-unbox, with files beside them that nobody should fetch. After each command all files
must be in the cache that are needed and none of those that are not; then `sdlens` must find the model there (`info` and
a picture), or the dictionary (`features`). `hf` (pip install huggingface_hub) lies beside the Python
that runs this, or in the path.
"""

import argparse
import hashlib
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISION = "v1.0"
# Files of published repositories that a download should leave where they are.
UNWANTED = ["sd_xl_turbo_1.0.safetensors", "unet/model.onnx_data", "pytorch_model.bin", "tf_model.h5", "README.md"]
# The folders of a repository of dictionaries: the paper's own, an earlier step of it, and another.
PAPERS = "unet.mid_block.attentions.0_k10_hidden5120_auxk256_bs4096_lr0.0001"
DICTIONARIES = [f"{PAPERS}/final", f"{PAPERS}/4096", f"{PAPERS.replace('_k10_', '_k20_')}/final"]


class Hub(http.server.ThreadingHTTPServer):
    """Serves the same folder under every name of a model and every revision."""

    def __init__(self, files: dict[str, Path | None]):
        super().__init__(("127.0.0.1", 0), Request)
        self.files = files
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def content(self, name: str) -> bytes:
        path = self.files[name]
        return path.read_bytes() if path else b"unwanted"


class Request(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(has_body=False)

    def do_GET(self) -> None:
        self.answer(has_body=True)

    def answer(self, has_body: bool) -> None:
        path, files = self.path.split("?")[0], self.server.files
        headers, body = {"Content-Type": "application/json"}, None
        if found := re.fullmatch(r"/[^/]+/[^/]+/resolve/[^/]+/(.+)", path):
            if found[1] in files:
                body = self.server.content(found[1])
                headers = {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT}
        elif re.fullmatch(r"/api/models/[^/]+/[^/]+/tree/.+", path):
            body = json.dumps([
                {"type": "file", "path": name, "size": len(self.server.content(name)), "oid": f"{index:040x}"}
                for index, name in enumerate(files)]).encode()
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path):
            body = json.dumps({
                "_id": "1", "id": found[1], "modelId": found[1], "sha": COMMIT, "private": False, "gated": False,
                "disabled": False, "tags": [], "downloads": 0, "likes": 0,
                "siblings": [{"rfilename": name} for name in files]}).encode()
        self.send_response(200 if body is not None else 404)
        for name, value in {**headers, "Content-Length": len(body or b"")}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if has_body and body:
            self.wfile.write(body)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sdlens", type=Path, help="the program")
    sdlens = parser.parse_args().sdlens.resolve()
    beside = Path(sys.executable).with_name("hf")
    hf = str(beside) if beside.exists() else shutil.which("hf")
    if hf is None:
        parser.error("there is no 'hf'; install it with: pip install huggingface_hub")
    with tempfile.TemporaryDirectory() as workplace:
        failures = [
            problem for command in commands(sdlens, workplace)
            for problem in check(command, hf, sdlens, Path(workplace) / "dictionary")]
    for problem in failures:
        print(f"FAILED: {problem}")
    return 1 if failures else 0


def model_files(sdlens: Path, part: str = "") -> dict[str, Path | None]:
    """Path in the repository → file; a whole model has weights in float16 under their published names."""
    source = sdlens.with_name("sdlens_SDLensDiffusion.resources") / "Models" / "shapes" / part
    paths = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}
    if not part:
        paths = {name: path for name, path in paths.items() if not name.startswith(("clip/", "judge/", "dictionaries/"))}
        paths = {name.replace(".safetensors", ".fp16.safetensors"): path for name, path in paths.items()}
    return {**{name: None for name in UNWANTED}, **paths}


def dictionary_files(dictionary: Path, has_all: bool) -> tuple[dict[str, Path | None], set[str]]:
    """Path in the repository → file, and those that nobody should fetch: all but the paper's own, unless all are meant."""
    folders = {folder: {f"{folder}/{path.name}": path for path in dictionary.iterdir()} for folder in DICTIONARIES}
    files = {name: path for folder in folders.values() for name, path in folder.items()}
    return files, set() if has_all else set(files) - set(folders[DICTIONARIES[0]])


def commands(sdlens: Path, folder: str) -> list[str]:
    """Those of README.md, and those that the program prints for what is not there; leaves a dictionary in the folder."""
    found = re.findall(r"`(hf download [^`]+ [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md names no download"
    environment = {**os.environ, "HOME": folder, "HF_HOME": f"{folder}/hf"}
    run = ["train-sae", "--block", "mid.0", "--limit", "200", "--features", "32", "--steps", "20", "--quiet"]
    trained = subprocess.run([sdlens, *run], env=environment, cwd=folder, check=True, capture_output=True, text=True)
    run = ["convert", trained.stdout.strip(), "dictionary", "--to", "sdxl-unbox"]
    subprocess.run([sdlens, *run], cwd=folder, check=True, capture_output=True)
    measure = ["eval", "all", "--block", "mid.0", "--quiet"]
    for name in ("owner/name", f"owner/name@{REVISION}"):
        for arguments in (
            ["generate", "--prompt", "x", "--model", name],
            [*measure, "--clip", name],
            [*measure, "--sentences", name],
            *([["features", "--prompt", "x", "--block", "mid.0", "--sae", name]] if "@" not in name else []),
        ):
            run = subprocess.run([sdlens, *arguments], env=environment, cwd=folder, capture_output=True, text=True)
            printed = re.findall(r"download it with: (hf download .*)", run.stderr)
            assert printed, f"sdlens {shlex.join(arguments)} names no download: {run.stderr}"
            found += printed
    return list(dict.fromkeys(found))


def check(command: str, hf: str, sdlens: Path, dictionary: Path) -> list[str]:
    """Runs a command and says what is wrong with what it fetched."""
    words = shlex.split(command)
    is_pipeline = any("fp16" in word for word in words)
    is_dictionary = "--include" not in words or any("final" in word for word in words)
    name = words[2] + (f"@{words[words.index('--revision') + 1]}" if "--revision" in words else "")
    if is_dictionary:
        files, unwanted = dictionary_files(dictionary, has_all="--include" not in words)
    else:
        files, unwanted = model_files(sdlens, "" if is_pipeline else "clip"), set(UNWANTED)
    hub = Hub(files)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "HOME": folder, "HF_HOME": f"{folder}/hf", "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
        run = subprocess.run([hf, *words[1:]], env=environment, capture_output=True, text=True, timeout=300)
        hub.shutdown()
        if run.returncode:
            return [f"{command}: {run.stderr.strip().splitlines()[-1:]}"]
        snapshot = Path(folder) / "hf" / "hub" / f"models--{words[2].replace('/', '--')}" / "snapshots" / COMMIT
        present = {str(path.relative_to(snapshot)) for path in snapshot.rglob("*") if path.is_file()}
        wanted = {path for path in files if path not in unwanted and not path.endswith(".md")}
        problems = [f"{command}: does not fetch {path}" for path in sorted(wanted - present)]
        problems += [f"{command}: fetches {path}" for path in sorted(present & unwanted)]
        uses = []
        if is_pipeline:
            uses = [["info", "--model", name], ["generate", "--prompt", "a red circle", "--model", name, "--quiet"]]
        if is_dictionary:
            uses = [["features", "--prompt", "a red circle", "--block", "mid.0", "--sae", name, "--quiet"]]
        for arguments in uses:
            run = subprocess.run([sdlens, *arguments], env=environment, cwd=folder, capture_output=True, text=True)
            if run.returncode:
                problems.append(f"sdlens {shlex.join(arguments)}: {run.stderr.strip()}")
        print(f"{'ok    ' if not problems else 'FAILED'} {command}: {len(present)} files")
        return problems


if __name__ == "__main__":
    sys.exit(main())

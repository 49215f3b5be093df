"""What all stages share: the work folder, checkpoints that resume exactly, a log, a graceful stop."""

import json
import os
from pathlib import Path
import signal
import time

import numpy as np
import torch

WORK = Path(os.environ.get("SHAPES_WORK", Path(__file__).parent / "build"))
DEVICE = torch.device(os.environ.get("SHAPES_DEVICE", "cuda" if torch.cuda.is_available() else "cpu"))
SAVE_EVERY = 240.0  # seconds between checkpoints


def set_up(threads=None):
    """Threads and number formats for a stage; the work folder exists afterwards."""
    torch.set_num_threads(threads or int(os.environ.get("SHAPES_THREADS", "1")))
    torch.set_flush_denormal(True)
    WORK.mkdir(parents=True, exist_ok=True)


def save_whole(write, path):
    """Calls `write` with a temporary path and gives the file its name only when it is whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Run:
    """A training run: step counter, checkpoints of named parts, random states, log, stop on a signal.

    `parts` maps names to things with `state_dict` and `load_state_dict` (models, optimisers, averages).
    A run that finds its checkpoint goes on exactly where it was saved.
    """

    def __init__(self, name, parts, seed):
        self.path, self.log_path = WORK / name / "checkpoint.pt", WORK / name / "log.jsonl"
        self.parts, self.step, self.seconds = parts, 0, 0.0
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.stopped = False
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._stop)
        if self.path.exists():
            self._load()
        self._started = self._saved = time.time()

    def _stop(self, *_):
        self.stopped = True

    def _load(self):
        state = torch.load(self.path, map_location="cpu", weights_only=False)
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.step, self.seconds = state["step"], state["seconds"]
        self.rng.bit_generator.state = state["numpy"]
        torch.set_rng_state(state["torch"])
        print(f"goes on at step {self.step}", flush=True)

    def elapsed(self):
        """Seconds of training in all, earlier sessions included."""
        return self.seconds + time.time() - self._started

    def save(self):
        """Writes the checkpoint, whole or not at all."""
        state = {
            "parts": {n: p.state_dict() for n, p in self.parts.items()}, "step": self.step,
            "seconds": self.elapsed(), "numpy": self.rng.bit_generator.state, "torch": torch.get_rng_state(),
        }
        save_whole(lambda p: torch.save(state, p), self.path)
        self._saved = time.time()

    def steps(self, last):
        """Yields step numbers up to `last`; saves every few minutes, at the end and when asked to stop."""
        while self.step < last and not self.stopped:
            yield self.step
            self.step += 1
            if time.time() - self._saved > SAVE_EVERY:
                self.save()
        self.save()

    def log(self, **values):
        """Prints and appends one line of figures."""
        values = {"step": self.step, "seconds": round(self.elapsed()), **values}
        line = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        print(json.dumps(line), flush=True)
        with open(self.log_path, "a") as file:
            file.write(json.dumps(line) + "\n")


class Average:
    """An exponential moving average of a model's parameters (the model that is shipped)."""

    def __init__(self, model, decay):
        self.model, self.decay = model, decay
        self.values = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, step):
        """Takes the parameters in; early on the average is short, so that it forgets the start."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                self.values[name].lerp_(parameter.detach(), 1 - decay)

    @torch.no_grad()
    def exchange(self):
        """Swaps the averaged and the current parameters; call it again to swap them back."""
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                value = parameter.detach().clone()
                parameter.copy_(self.values[name])
                self.values[name] = value

    def state_dict(self):
        return self.values

    def load_state_dict(self, values):
        self.values = {n: v.to(self.values[n].device) for n, v in values.items()}

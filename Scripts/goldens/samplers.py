"""Schedules and trajectories of the schedulers beside Euler's: DDIM, LCM, TCD, DPM-Solver++ of second order, PNDM.

`samplers.json`: for each run its configuration, number of steps or given timesteps, eta, the timesteps taken and
init_noise_sigma. `samplers.safetensors`: `NAME.STEP` after each step, with the made-up model of `sampling.py`, noise from
one generator of seed 7.

What surprises (diffusers 0.42.1): the pipeline hands its `eta` of 0 to DDIM and TCD, whose own default is 0.3; LCM and TCD
choose from 50 training steps and ignore `timestep_spacing`; LCM draws no noise in the last step, and DDIM none without eta;
DDIM counts back by 1000 // steps and not to the next timestep; its `clip_sample` is true by default, which is refused
here. PNDM takes its second step twice, so that of n steps n + 1 are taken. With zero terminal signal DDIM, LCM and TCD divide by zero unless the model predicts velocity.
"""

import torch

from .common import DIFFUSION, Goldens, save_json
from .sampling import SDXL, model_output

ZERO = {**SDXL, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
KARRAS = {**SDXL, "use_karras_sigmas": True}
DDIM = {**SDXL, "clip_sample": False}
KINDS = {"ddim": "DDIMScheduler", "lcm": "LCMScheduler", "tcd": "TCDScheduler", "dpm": "DPMSolverMultistepScheduler",
         "euler": "EulerDiscreteScheduler", "pndm": "PNDMScheduler"}


def cases():
    for prediction in ("epsilon", "v_prediction", "sample"):
        for steps in (1, 4, 20):
            for spacing in ("leading", "trailing", "linspace"):
                # One step of linspace asks at t = 0, which DPM-Solver++ turns into its last step.
                yield "ddim", {**DDIM, "timestep_spacing": spacing, "prediction_type": prediction}, dict(steps=steps)
                yield "dpm", {**SDXL, "timestep_spacing": spacing, "prediction_type": prediction}, dict(steps=steps)
            yield "lcm", {**SDXL, "prediction_type": prediction}, dict(steps=steps)
            yield "tcd", {**SDXL, "prediction_type": prediction}, dict(steps=steps)
            yield "tcd", {**SDXL, "prediction_type": prediction}, dict(steps=steps, eta=0.3)
            yield "dpm", {**KARRAS, "prediction_type": prediction}, dict(steps=steps)
    yield "ddim", {**DDIM, "set_alpha_to_one": False}, dict(steps=4)
    yield "ddim", DDIM, dict(steps=4, eta=0.7)
    yield "tcd", SDXL, dict(steps=1, eta=1.0)
    yield "tcd", SDXL, dict(steps=4, eta=1.0)
    yield "lcm", {}, dict(steps=4)
    yield "lcm", {**SDXL, "original_inference_steps": 30, "timestep_scaling": 5.0}, dict(steps=7)
    for kind in ("ddim", "lcm", "tcd", "dpm"):
        yield kind, ({**ZERO, "clip_sample": False} if kind == "ddim" else ZERO), dict(steps=4)
    yield "dpm", {**SDXL, "final_sigmas_type": "sigma_min", "lower_order_final": False}, dict(steps=4)
    yield "dpm", {**SDXL, "final_sigmas_type": "sigma_min", "euler_at_final": True, "lower_order_final": False}, dict(steps=4)
    for kind in ("lcm", "tcd", "dpm", "euler"):
        yield kind, SDXL, dict(timesteps=[999, 749, 499, 249])
        yield kind, SDXL, dict(timesteps=[800])
    yield "euler", {**SDXL, "timestep_spacing": "trailing", "prediction_type": "sample"}, dict(steps=1)
    yield "euler", {**SDXL, "timestep_spacing": "trailing", "prediction_type": "sample"}, dict(steps=4)
    for prediction in ("epsilon", "v_prediction"):
        for steps in (1, 2, 4, 20):
            for spacing in ("leading", "trailing"):
                yield "pndm", {**SDXL, "skip_prk_steps": True, "timestep_spacing": spacing, "prediction_type": prediction}, dict(steps=steps)
    yield "pndm", {**SDXL, "skip_prk_steps": True, "set_alpha_to_one": True}, dict(steps=5)
    yield "pndm", {"skip_prk_steps": True}, dict(steps=6)
    for spacing in ("linspace", "leading", "trailing"):
        for clipped in ({**SDXL, "lambda_min_clipped": -2.0}, {**SDXL, "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}):
            yield "dpm", {**clipped, "timestep_spacing": spacing}, dict(steps=6)


def make() -> None:
    arrays = Goldens(DIFFUSION / "samplers.safetensors")
    arrays.put("noise", torch.randn(1, 4, 4, 4, generator=torch.Generator("cpu").manual_seed(7)))
    runs = [run(arrays, f"{index}.{kind}", KINDS[kind], config, **how) for index, (kind, config, how) in enumerate(cases())]
    arrays.save()
    save_json(DIFFUSION / "samplers.json", runs, compact=True)


def run(arrays: Goldens, name: str, kind: str, config: dict, steps: int | None = None,
        timesteps: list[int] | None = None, eta: float = 0.0) -> dict:
    import diffusers

    it = getattr(diffusers, kind)(**config)
    it.set_timesteps(timesteps=timesteps) if timesteps else it.set_timesteps(steps)
    generator = torch.Generator("cpu").manual_seed(7)
    x = torch.randn(1, 4, 4, 4, generator=generator) * it.init_noise_sigma
    extra = {"eta": eta} if kind in ("DDIMScheduler", "TCDScheduler") else {}
    if kind not in ("DDIMScheduler", "PNDMScheduler") or eta > 0:
        extra["generator"] = generator
    for index, t in enumerate(it.timesteps):
        output = model_output(it.scale_model_input(x, t), t)
        x = it.step(output, t, x, **extra).prev_sample
        arrays.put(f"{name}.{index}", x)
    return {
        "name": name,
        "config": {"_class_name": kind, **config},
        "steps": steps or len(timesteps),
        "given": timesteps,
        "eta": eta,
        "timesteps": it.timesteps.tolist(),
        "init_noise_sigma": float(it.init_noise_sigma),
    }

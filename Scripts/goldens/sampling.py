"""Schedules and whole trajectories of diffusers' two Euler schedulers.

`schedules.json`: for each configuration and number of steps the timesteps, sigmas (one more, the last 0) and
init_noise_sigma. `sampling.safetensors`: trajectories with the made-up model `model_output`, noise from one generator.

What of `scheduler_config.json` changes the computation (diffusers 0.42.1):

 * EulerAncestralDiscreteScheduler: num_train_timesteps, beta_start, beta_end, beta_schedule (linear, scaled_linear,
   squaredcos_cap_v2), trained_betas, prediction_type (epsilon, v_prediction), timestep_spacing (linspace, leading,
   trailing), steps_offset (leading only), rescale_betas_zero_snr. Nothing else: SDXL-Turbo's file also holds
   clip_sample, interpolation_type, sample_max_value, set_alpha_to_one, skip_prk_steps, use_karras_sigmas, and this
   scheduler ignores every one of them, whatever their value.
 * EulerDiscreteScheduler: the same, and interpolation_type (linear, log_linear), use_karras_sigmas,
   use_exponential_sigmas, use_beta_sigmas, sigma_min and sigma_max (only with one of those three), timestep_type
   (continuous counts only with v_prediction), final_sigmas_type (zero, sigma_min), prediction_type also "sample".
   Ignored: clip_sample, sample_max_value, set_alpha_to_one, skip_prk_steps. Its step draws no noise (s_churn 0).
 * Defaults where a key is missing: 1000, 0.0001, 0.02, linear, null, epsilon, linspace, 0, false; linear, false,
   false, false, null, null, discrete, zero.

Number types show in the sixth digit (computed as follows, every sigma comes out within 3e-7 of itself): betas are
float32 (torch.linspace: from the front below the middle, from the back above; scaled_linear squares the float32
roots), alphas = 1 − betas float32, their running product is kept in double and each element rounded to float32, ((1 −
a) / a)^0.5 in float32, sigmas interpolated in double (np.interp) and rounded to float32. Timesteps are float32:
trailing is round-half-even of np.arange(1000, 0, −1000 / steps), minus 1; leading is (1000 // steps) · i +
steps_offset; linspace is not rounded, so its timesteps are fractions, and one step of it is t = 0. For some numbers
of steps (`surplus` in schedules.json: 61, 103, …) rounding makes arange yield one element too many: one more step, at
t = −1, where np.interp holds the sigma of t = 0.

init_noise_sigma = max sigma for linspace and trailing, √(max² + 1) for leading. The model's input is
x / √(sigma² + 1). Guidance comes before the step.

Ancestral step, σ → σ': σ_up = √(σ'² (σ² − σ'²) / σ²), σ_down = √(σ'² − σ_up²), x₀ = x − σ ε (epsilon) or
−σ / √(σ² + 1) · v + x / (σ² + 1) (v_prediction), x' = x + (x − x₀) / σ · (σ_down − σ) + noise · σ_up. Noise is drawn
in *every* step, in the last too, where it is multiplied by 0: so a picture made after another from the same
generator depends on it.
"""

import numpy as np
import torch

from .common import DIFFUSION, Goldens, save_json

STEPS = [1, 2, 3, 4, 10, 50]
SPACINGS = ["trailing", "leading", "linspace"]
SDXL = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
CONFIGS = {
    "sdxl": SDXL,
    "sdxl.offset0": {**SDXL, "steps_offset": 0},
    "linear": dict(num_train_timesteps=1000, beta_start=0.0001, beta_end=0.02, beta_schedule="linear", steps_offset=0),
    "zero_snr": {**SDXL, "rescale_betas_zero_snr": True},
    "cosine": {**SDXL, "beta_schedule": "squaredcos_cap_v2"},
    "short": {**SDXL, "num_train_timesteps": 777},
}
TRAJECTORY_STEPS = [1, 2, 3, 4, 10]


def make() -> None:
    schedules = [
        schedule(kind, name, spacing, steps)
        for kind in ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler")
        for name in CONFIGS
        for spacing in SPACINGS
        for steps in STEPS + ([61] if (name, spacing) == ("sdxl", "trailing") else [])
    ]
    arrays = Goldens(DIFFUSION / "sampling.safetensors")
    arrays.put("noise", torch.randn(1, 4, 8, 8, generator=torch.Generator("cpu").manual_seed(7)))
    trajectories = [
        trajectory(arrays, kind, name, spacing, prediction, steps)
        for kind in ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler")
        for name, spacing in [("sdxl", "trailing"), ("sdxl", "leading"), ("sdxl", "linspace"), ("linear", "leading")]
        for prediction in ("epsilon", "v_prediction")
        for steps in (TRAJECTORY_STEPS if name == "sdxl" else [4])
    ]
    trajectories += [
        trajectory(arrays, kind, "zero_snr", "trailing", "v_prediction", 4)
        for kind in ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler")
    ]
    arrays.save()
    save_json(
        DIFFUSION / "schedules.json",
        {"schedules": schedules, "trajectories": trajectories, "surplus": surplus()},
        compact=True,
    )


def scheduler(kind: str, config: str, spacing: str, prediction: str = "epsilon"):
    import diffusers

    return getattr(diffusers, kind)(**CONFIGS[config], timestep_spacing=spacing, prediction_type=prediction)


def schedule(kind: str, config: str, spacing: str, steps: int) -> dict:
    it = scheduler(kind, config, spacing)
    it.set_timesteps(steps)
    return {
        "config": {"_class_name": kind, **CONFIGS[config], "timestep_spacing": spacing},
        "steps": steps,
        "timesteps": it.timesteps.tolist(),
        "sigmas": it.sigmas.tolist(),
        "init_noise_sigma": float(it.init_noise_sigma),
    }


def surplus() -> dict:
    """Numbers of steps for which trailing spacing yields other than that many timesteps, of 1000 and of 777."""
    counts = {total: [n for n in range(1, total + 1) if len(np.arange(total, 0, -total / n)) != n] for total in (1000, 777)}
    return {str(total): values for total, values in counts.items()}


def model_output(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Stands in for the U-net: depends on its (scaled) input and on the time."""
    return 0.3 * x * torch.cos(t / 300) + 0.1


def trajectory(arrays: Goldens, kind: str, config: str, spacing: str, prediction: str, steps: int) -> dict:
    """`NAME.STEP` after each step, from `noise` [1, 4, 8, 8], the first draw of a generator with seed 7."""
    it = scheduler(kind, config, spacing, prediction)
    it.set_timesteps(steps)
    generator = torch.Generator("cpu").manual_seed(7)
    name = f"{'ancestral' if 'Ancestral' in kind else 'euler'}.{config}.{spacing}.{prediction}.{steps}"
    x = torch.randn(1, 4, 8, 8, generator=generator) * it.init_noise_sigma
    for index, t in enumerate(it.timesteps):
        output = model_output(it.scale_model_input(x, t), t)
        x = it.step(output, t, x, generator=generator).prev_sample
        arrays.put(f"{name}.{index}", x)
    return {
        "name": name,
        "config": {
            "_class_name": kind,
            **CONFIGS[config],
            "timestep_spacing": spacing,
            "prediction_type": prediction,
        },
        "steps": steps,
        "seed": 7,
    }

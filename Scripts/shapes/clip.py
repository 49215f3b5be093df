"""CLIP for the metrics: a vision transformer and a text encoder that agree on what a picture shows.

Besides the contrastive loss, common heads must read the factors of every place off either embedding, as far as
the caption tells them, and readers ask the states inside the towers (see `text.Reader`). All that is thrown away.
Captions leave things out at random: a caption is right about a picture if all that it says is there.
"""

from dataclasses import replace
import math
import shutil

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

import common
from muon import split_optimisers
import text
import tokenizer
import world

SIDE, FOLDER = 64, "clip"
VISION = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE,
              patch_size=8, projection_dim=128, hidden_act="quick_gelu")
TEXT = dict(hidden_size=96, intermediate_size=384, num_hidden_layers=3, num_attention_heads=3, projection_dim=128,
            max_position_embeddings=tokenizer.LENGTH, hidden_act="quick_gelu")
STEPS, BATCH, PEAK = 1200, 128, 2e-3
TEACHING = 0.3
UNSAID = -1


class Teacher(nn.Module):
    """Heads that read the factors of every place and the background: off embeddings, and off a tower's states."""

    def __init__(self):
        super().__init__()
        self.sizes = {**text.ANSWERS, "background": len(text.GROUNDS)}
        self.places = len(world.PLACES)
        self.embedding = nn.Sequential(nn.Linear(128, 256), nn.GELU(), nn.Linear(256, self.places * sum(text.ANSWERS.values()) + len(text.GROUNDS)))
        self.questions = nn.Parameter(torch.randn(self.places, 128))
        self.attention = nn.MultiheadAttention(128, 4, batch_first=True)
        self.states = nn.Linear(128, sum(text.ANSWERS.values()))

    def _loss(self, logits, answers):
        parts = logits.split(list(text.ANSWERS.values()), -1)
        return sum(F.cross_entropy(p.flatten(0, 1), answers[f].flatten(), ignore_index=UNSAID) for f, p in zip(text.ANSWERS, parts))

    def of_embedding(self, embedding, answers, grounds):
        """Loss of what is read off embeddings [n, 128]."""
        logits = self.embedding(embedding)
        split = logits.shape[1] - len(text.GROUNDS)
        per_place = logits[:, :split].view(len(logits), self.places, -1)
        return self._loss(per_place, answers) + F.cross_entropy(logits[:, split:], grounds, ignore_index=UNSAID)

    def of_states(self, states, answers):
        """Loss of what is read off a picture's patches [n, patches, 128]."""
        read, _ = self.attention(self.questions.expand(len(states), -1, -1), states, states, need_weights=False)
        return self._loss(self.states(read), answers)


def thin(scene, rng):
    """A scene that says less; `None` is now "not said" rather than the default."""
    objects = [replace(o, **{f: o.value(f) for f in ("colour", "size", "texture", "place")}) for o in scene.objects]
    dropped = {"colour": 0.15, "size": 0.5, "texture": 0.4, "place": 0.35}
    objects = [replace(o, **{f: None for f, p in dropped.items() if rng.random() < p}) for o in objects]
    if len(objects) == 2 and rng.random() < 0.5:
        objects = objects[::-1]
    if len(objects) == 2 and rng.random() < 0.1:
        objects = objects[:1]
    background = None if objects and rng.random() < 0.4 else scene.ground
    return replace(scene, objects=tuple(objects), background=background)


def said(scenes):
    """The answers that thin scenes give: only objects with a place, only what is said of them."""
    places = list(world.PLACES)
    answers = {f: torch.full((len(scenes), len(places)), UNSAID) for f in text.ANSWERS}
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            if thing.place:
                j = places.index(thing.place)
                answers["present"][i, j] = 1
                for factor in list(text.ANSWERS)[1:]:
                    if getattr(thing, factor):
                        answers[factor][i, j] = world.FACTORS[factor].index(getattr(thing, factor))
    grounds = [text.GROUNDS.index("blank" if s.blank else s.background) if s.blank or s.background else UNSAID for s in scenes]
    return answers, torch.tensor(grounds)


def processor():
    """How pictures become input: 64 px, CLIP's usual mean and spread."""
    return CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def to_input(pictures):
    """Pictures of any size, -1 to 1, as the vision tower's input."""
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (processor().image_mean, processor().image_std))
    if pictures.shape[-1] != SIDE:
        pictures = F.interpolate(pictures, size=(SIDE, SIDE), mode="bicubic", antialias=True)
    return ((pictures / 2 + 0.5 - mean) / spread).to(common.DEVICE)


def batch(rng, count):
    """Scenes, their pictures as input (some spoiled), and thinned scenes."""
    scenes = [world.sample(rng, held_out=False) for _ in range(count)]
    _, shift = world.draw_projections(rng, count)
    pictures = world.render_many(scenes, shift, SIDE, scale=world.PICTURE / SIDE)[0]
    part = count // 4
    pictures[:part] += rng.uniform(0, 0.2) * torch.randn_like(pictures[:part])
    pictures[part:2 * part] = 0.5 * pictures[part:2 * part] + 0.5 * F.avg_pool2d(F.pad(pictures[part:2 * part], (1, 1, 1, 1), mode="replicate"), 3, 1)
    return scenes, to_input(pictures), [thin(s, rng) for s in scenes]


def tokens_of(tokens, captions):
    """Token numbers [n, longest]."""
    return tokens(captions, padding=True, truncation=True, max_length=tokenizer.LENGTH, return_tensors="pt").input_ids.to(common.DEVICE)


def new_model(tokens):
    """CLIP before training."""
    settings = dict(vocab_size=len(tokens), bos_token_id=tokens.bos_token_id, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.eos_token_id)
    return CLIPModel(CLIPConfig(projection_dim=128, text_config={**TEXT, **settings}, vision_config=VISION))


def embed_text(model, tokens, captions):
    """Unit embeddings of captions."""
    pooled = model.text_model(input_ids=tokens_of(tokens, captions)).pooler_output
    return F.normalize(model.text_projection(pooled), dim=-1)


def embed_pictures(model, pictures):
    """Unit embeddings of pictures from -1 to 1."""
    pooled = model.vision_model(pixel_values=to_input(pictures)).pooler_output
    return F.normalize(model.visual_projection(pooled), dim=-1)


def choices(scene, factor):
    """The captions among which zero-shot must find the right one, and the number of that one.

    Shape among all shapes, the others given shape and colour and told nothing else.
    """
    thing = scene.objects[0]
    values = tuple(world.BACKGROUNDS) if factor == "background" else world.FACTORS[factor]
    bare = world.Object(thing.shape, None if factor == "shape" else thing.value("colour"))
    if factor == "background":
        return [world.caption(world.Scene((bare,), v)) for v in values], values.index(scene.ground)
    return [world.caption(world.Scene((replace(bare, **{factor: v}),))) for v in values], values.index(thing.value(factor))


@torch.no_grad()
def zero_shot(model, tokens, count=600):
    """Share of held-out renders of one object whose factors are found."""
    rng = np.random.default_rng(41)
    scenes = [world.sample(rng, True, 1) for _ in range(count)]
    _, shift = world.draw_projections(rng, count)
    pictures = torch.cat([world.render_many(scenes[i:i + 50], shift[i:i + 50])[0] for i in range(0, count, 50)])
    seen, known, right = embed_pictures(model, pictures), {}, {}
    for factor in ("shape", "colour", "size", "texture", "place", "background"):
        hits = []
        for scene, embedding in zip(scenes, seen):
            captions, answer = choices(scene, factor)
            key = tuple(captions)
            if key not in known:
                known[key] = embed_text(model, tokens, captions)
            hits.append(int((known[key] @ embedding).argmax()) == answer)
        right[factor] = float(np.mean(hits))
    return right


def contrast(model, seen, told):
    """CLIP's symmetric loss."""
    logits = model.logit_scale.exp().clamp(max=100) * F.normalize(seen, dim=-1) @ F.normalize(told, dim=-1).T
    labels = torch.arange(len(logits), device=logits.device)
    return 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels))


def total_loss(model, teacher, tokens, scenes, pictures, thinned):
    """Contrastive loss and the teacher's, apart."""
    vision = model.vision_model(pixel_values=pictures)
    seen = model.visual_projection(vision.pooler_output)
    told = model.text_projection(model.text_model(input_ids=tokens_of(tokens, [world.caption(s) for s in thinned])).pooler_output)
    answers, grounds = text.truth(scenes)
    taught = teacher.of_states(vision.last_hidden_state, answers) + teacher.of_embedding(seen, answers, grounds)
    return contrast(model, seen, told), taught + teacher.of_embedding(told, *said(thinned))


def export(target):
    """Writes the CLIP folder in half precision."""
    shutil.copytree(common.WORK / FOLDER, target, dirs_exist_ok=True)
    weights = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in CLIPModel.from_pretrained(target).state_dict().items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})


def train():
    """Trains CLIP and writes its folder."""
    common.set_up()
    torch.manual_seed(41)
    tokens = tokenizer.load("clip")
    model, teacher = new_model(tokens).to(common.DEVICE), Teacher().to(common.DEVICE)
    both = nn.ModuleDict({"clip": model, "teacher": teacher})
    optimisers = split_optimisers(both, edges=("clip.text_model.embeddings", "clip.vision_model.embeddings", "clip.logit_scale"), weight_decay=0.02)
    run = common.Run("train-clip", {"models": both, "muon": optimisers[0], "adam": optimisers[1]}, seed=41)
    for step in run.steps(STEPS):
        contrastive, taught = total_loss(model, teacher, tokens, *batch(run.rng, BATCH))
        both.zero_grad(set_to_none=True)
        (contrastive + TEACHING * taught).backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = PEAK * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) + 1e-5
            optimiser.step()
        if step % 50 == 0:
            run.log(contrast=contrastive.item(), taught=taught.item())
        if step % 500 == 499:
            run.log(**zero_shot(model, tokens, 200))
    if not run.stopped:
        model.save_pretrained(common.WORK / FOLDER)
        processor().save_pretrained(common.WORK / FOLDER)
        run.log(**zero_shot(model, tokens))


if __name__ == "__main__":
    train()

"""The world of `shapes`: scenes, their captions, and pictures with a mask per object.

A scene is what a caption says: nothing, an empty background, or one or two objects. What the
caption leaves out has a fixed default. The only thing left to chance is a small shift of each
object, and that is read from the initial noise of the sampler (see `shifts`), so a caption and a
noise determine one picture.

Pictures are 256 x 256; coordinates are pixels, x to the right, y down, (0, 0) the upper left corner.
"""

from dataclasses import dataclass, replace
from itertools import product
import zlib

import numpy as np
import torch

PICTURE = 256
LATENT = PICTURE // 8

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
COLOURS = {
    "red": (220, 40, 40), "green": (50, 170, 60), "blue": (45, 85, 225), "yellow": (240, 215, 50),
    "purple": (145, 60, 185), "orange": (242, 140, 40), "white": (248, 248, 248), "black": (18, 18, 18),
}
SIZES = {"small": 32.0, "large": 54.0}
TEXTURES = ("plain", "striped", "dotted", "checkered")
PLACES = {"left": (54, 128), "right": (202, 128), "top": (128, 54), "bottom": (128, 202), "centre": (128, 128)}
PLACE_PHRASES = {
    "left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
    "centre": "in the centre",
}
BACKGROUNDS = {
    "gray": (135, 135, 135), "pink": (240, 165, 195), "teal": (45, 135, 135), "brown": (125, 85, 55),
    "navy": (35, 45, 95), "cream": (240, 230, 200),
}
EMPTY_TOP, EMPTY_BOTTOM = (176, 180, 186), (120, 124, 132)  # the picture of the empty prompt: a calm gradient

FACTORS = {
    "shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(SIZES), "texture": TEXTURES, "place": tuple(PLACES),
}
DEFAULTS = {"colour": "black", "size": "large", "texture": "plain", "place": "centre"}
DEFAULT_BACKGROUND = "gray"

SHIFT_PIXELS = 2.5  # standard deviation of an object's shift in x and in y
SHIFT_CLIP = 2.0    # ... which ends at this many standard deviations


# ---- scenes and captions ------------------------------------------------------------------------

@dataclass(frozen=True)
class Object:
    """One object as the caption names it; `None` is a word left out, to be read as its default."""

    shape: str
    colour: str | None = None
    size: str | None = None
    texture: str | None = None
    place: str | None = None

    def value(self, factor):
        """The value of a factor, the default where the caption is silent."""
        return getattr(self, factor) or DEFAULTS[factor]


@dataclass(frozen=True)
class Scene:
    """Up to two objects on a background; the first-named object is in front. `blank`: the empty prompt."""

    objects: tuple[Object, ...] = ()
    background: str | None = None
    blank: bool = False

    @property
    def ground(self):
        """The background's name, the default where the caption is silent."""
        return self.background or DEFAULT_BACKGROUND


def article(words):
    """`words` with the indefinite article in front."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def phrase(thing):
    """One object in words, for example "a small red striped circle on the left"."""
    words = [w for w in (thing.size, thing.colour, thing.texture, thing.shape) if w]
    return article(" ".join(words)) + (" " + PLACE_PHRASES[thing.place] if thing.place else "")


def caption(scene):
    """The sentence for a scene; the empty string for the blank one."""
    if scene.blank:
        return ""
    if not scene.objects:
        return f"an empty {scene.ground} background"
    text = " and ".join(phrase(o) for o in scene.objects)
    return text + (f", on {article(scene.background)} background" if scene.background else "")


def is_held_out(text):
    """Every twentieth caption, by checksum, is never trained on (short ones are too few to spare)."""
    return len(text.split()) > 6 and zlib.crc32(text.encode()) % 20 == 0


def choose(rng, values, omitted=0.0):
    """A random one of `values`, or `None` with probability `omitted`."""
    return None if omitted and rng.random() < omitted else values[rng.integers(len(values))]


def sample_texture(rng):
    """A texture word: plain objects are usually not called plain."""
    return choose(rng, (None, None, None, "plain", "striped", "dotted", "checkered", "striped", "dotted", "checkered"))


def sample_object(rng, place):
    """A random object at a place."""
    return Object(shape=choose(rng, SHAPES), colour=choose(rng, tuple(COLOURS), 0.03),
                  size=choose(rng, tuple(SIZES), 0.1), texture=sample_texture(rng), place=place)


def sample_places(rng, count):
    """Places for `count` objects: two objects are seldom in the centre, one may leave its place out."""
    names = tuple(PLACES)
    if count == 1:
        return [choose(rng, names, 0.06)]
    outer = names if rng.random() < 0.15 else names[:4]
    return [outer[i] for i in rng.permutation(len(outer))[:count]]


def sample_scene(rng, count=None):
    """A random scene; `count` objects, or with `None` mostly one or two, seldom none or the blank scene."""
    if count is None:
        draw = rng.random()
        if draw < 0.02:
            return Scene(blank=True)
        count = 0 if draw < 0.04 else 1 if draw < 0.60 else 2
    objects = tuple(sample_object(rng, p) for p in sample_places(rng, count))
    return Scene(objects, choose(rng, tuple(BACKGROUNDS), 0.12 if count else 0.0))


def sample(rng, held_out, count=None):
    """A random scene whose caption is held out, or one whose caption is not."""
    while True:
        scene = sample_scene(rng, count)
        if is_held_out(caption(scene)) == held_out:
            return scene


def resample(scene, owned, rng):
    """A scene like this one in count, places and the factors `owned`, with all the others drawn anew."""
    if scene.blank:
        return scene
    while True:
        objects = []
        for thing in scene.objects:
            other = sample_object(rng, thing.place)
            objects.append(replace(other, **{f: getattr(thing, f) for f in owned if f != "background"}))
        background = scene.background
        if "background" not in owned:
            background = choose(rng, tuple(BACKGROUNDS), 0.12 if objects else 0.0)
        changed = Scene(tuple(objects), background)
        if not is_held_out(caption(changed)):
            return changed


def all_single_objects():
    """Every fully named scene of one object, in a fixed order."""
    for values in product(SHAPES, COLOURS, SIZES, TEXTURES, PLACES, BACKGROUNDS):
        yield Scene((Object(*values[:5]),), values[5])


# ---- what the noise decides ---------------------------------------------------------------------

def shift_cell(place):
    """Row and column of the 8 x 8 map's cell (4 x 4 latents) that decides the shift at a place."""
    x, y = PLACES[place]
    return y // 32, x // 32


def _projections():
    """[10, 4 * 32 * 32] orthonormal rows: x shift (channel 0) and y shift (channel 1) of the five places."""
    rows = np.zeros((len(PLACES), 2, 4, LATENT, LATENT), np.float32)
    for i, place in enumerate(PLACES):
        row, column = shift_cell(place)
        for channel in range(2):
            rows[i, channel, channel, 4 * row:4 * row + 4, 4 * column:4 * column + 4] = 0.25
    return rows.reshape(2 * len(PLACES), -1)


PROJECTIONS = _projections()


def shifts(noise):
    """Shifts in pixels [n, place, (x, y)] that an initial noise [n, 4, 32, 32] of unit variance stands for."""
    drawn = np.asarray(noise, np.float32).reshape(len(noise), -1) @ PROJECTIONS.T
    return SHIFT_PIXELS * np.clip(drawn, -SHIFT_CLIP, SHIFT_CLIP).reshape(-1, len(PLACES), 2)


def noise_with(drawn, generator=None):
    """White noise [n, 4, 32, 32] with given projections [n, 10]: a picture's shifts, all else fresh."""
    noise = torch.randn(len(drawn), PROJECTIONS.shape[1], generator=generator, device=drawn.device)
    rows = torch.from_numpy(PROJECTIONS).to(drawn.device)
    return (noise + (drawn - noise @ rows.T) @ rows).view(-1, 4, LATENT, LATENT)


# ---- pictures -----------------------------------------------------------------------------------

def _box(x, y, half_x, half_y):
    """Signed distance to an upright box around the origin."""
    dx, dy = x.abs() - half_x, y.abs() - half_y
    return torch.hypot(dx.clamp(min=0), dy.clamp(min=0)) + torch.maximum(dx, dy).clamp(max=0)


def _triangle(x, y):
    """Signed distance (inside exact) to an upright triangle with its centre of mass near the origin."""
    y = y - 0.16
    return torch.maximum(y, 0.8660254 * x.abs() - 0.5 * y) - 0.54


def _star(x, y):
    """Signed distance to a five-pointed star with one point up, by folding the plane into one half point."""
    angle = torch.atan2(x, -y)
    sector = 2 * np.pi / 5
    angle = (angle - sector * torch.round(angle / sector)).abs()
    radius = torch.hypot(x, y)
    px, py = radius * torch.sin(angle), radius * torch.cos(angle)
    outer, inner = 1.0, 0.46
    ex, ey = inner * np.sin(np.pi / 5), inner * np.cos(np.pi / 5) - outer
    along = ((px * ex + (py - outer) * ey) / (ex * ex + ey * ey)).clamp(0, 1)
    distance = torch.hypot(px - along * ex, py - outer - along * ey)
    return torch.where(px * ey - (py - outer) * ex > 0, -distance, distance)


DISTANCES = {
    "circle": lambda x, y: torch.hypot(x, y) - 0.88,
    "square": lambda x, y: _box(x, y, 0.78, 0.78),
    "triangle": _triangle,
    "star": _star,
    "ring": lambda x, y: (torch.hypot(x, y) - 0.68).abs() - 0.24,
    "cross": lambda x, y: torch.minimum(_box(x, y, 0.92, 0.30), _box(x, y, 0.30, 0.92)),
}


def _wave(x, period):
    """Distance in pixels from the middle of the nearest stripe, less a quarter period."""
    return (x / period - torch.round(x / period)).abs() * period - period / 4


def _checks(x, y):
    """Signed distance to the edge between checks of 16 pixels."""
    a, b = _wave(x - 8, 32), _wave(y - 8, 32)
    return torch.sign(a * b) * torch.minimum(a.abs(), b.abs())


def _dots(x, y):
    """Signed distance to dots of radius 7 on a grid of 24 pixels, one of them in the middle."""
    return torch.hypot(x - 24 * torch.round(x / 24), y - 24 * torch.round(y / 24)) - 7


PATTERNS = {
    "plain": lambda x, y: torch.full_like(x, 99.0),
    "striped": lambda x, y: -_wave(y, 24),
    "dotted": _dots,
    "checkered": _checks,
}


def second_colour(colour):
    """The colour of stripes, dots and checks: darker, or lighter for dark colours."""
    colour = np.asarray(colour, np.float32)
    dark = colour @ np.float32([0.3, 0.6, 0.1]) < 76
    return 0.45 * colour + 0.55 * 255 if dark else 0.42 * colour


def centre_of(thing, shift):
    """Centre of an object in pixels; `shift` [place, 2] as from `shifts`."""
    place = thing.value("place")
    return np.float32(PLACES[place]) + shift[list(PLACES).index(place)]


def coverage(thing, shift, x, y, scale=1.0):
    """How much of each pixel with centre (x, y) the object covers, 0 to 1, and its pattern's first colour, likewise."""
    centre, radius = centre_of(thing, shift), SIZES[thing.value("size")]
    x, y = torch.broadcast_tensors(x - float(centre[0]), y - float(centre[1]))
    distance, pattern = DISTANCES[thing.shape](x / radius, y / radius) * radius, PATTERNS[thing.value("texture")](x, y)
    return (0.5 - distance / scale).clamp(0, 1), (0.5 + pattern / scale).clamp(0, 1)


def _window(thing, shift, x, y):
    """The rows and columns, as slices, of the pixel centres `y` and `x` that an object can touch."""
    (cx, cy), reach = centre_of(thing, shift), 1.15 * SIZES[thing.value("size")] + 8
    bounds = [torch.searchsorted(axis, torch.tensor([c - reach, c + reach])).tolist() for axis, c in ((y, cy), (x, cx))]
    return slice(*bounds[0]), slice(*bounds[1])


def _ground(scene, y):
    """The background's colours at the rows `y`."""
    if not scene.blank:
        return torch.tensor(BACKGROUNDS[scene.ground], dtype=torch.float32).expand(*y.shape, 3)
    top, bottom = torch.tensor(EMPTY_TOP, dtype=torch.float32), torch.tensor(EMPTY_BOTTOM, dtype=torch.float32)
    return top + (y / PICTURE).unsqueeze(-1) * (bottom - top)


def render(scene, shift, size=PICTURE, corner=(0, 0), scale=1.0):
    """A picture [size, size, 3] (0 to 255, float) and its masks [2, size, size] (visible share of each pixel).

    The picture's pixels are `scale` pixels of the world wide and start at `corner` (x, y).
    """
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * scale
    x, y = steps + corner[0], steps + corner[1]
    picture, masks = _ground(scene, y).unsqueeze(1).repeat(1, size, 1), torch.zeros(2, size, size)
    for i, thing in reversed(list(enumerate(scene.objects))):
        rows, columns = _window(thing, shift, x, y)
        inside, pattern = coverage(thing, shift, x[None, columns], y[rows, None], scale)
        colour = torch.tensor(COLOURS[thing.value("colour")], dtype=torch.float32)
        other = torch.from_numpy(second_colour(colour))
        paint = other + pattern.unsqueeze(-1) * (colour - other)
        picture[rows, columns] += inside.unsqueeze(-1) * (paint - picture[rows, columns])
        masks[:, rows, columns] *= 1 - inside
        masks[i, rows, columns] = inside
    return picture, masks


def render_many(scenes, shift, size=PICTURE, corners=None, scale=1.0):
    """Pictures [n, 3, size, size] from -1 to 1 and masks [n, 2, size, size] of several scenes."""
    corners = np.zeros((len(scenes), 2)) if corners is None else corners
    drawn = [render(s, d, size, c, scale) for s, d, c in zip(scenes, shift, corners)]
    pictures = torch.stack([p for p, _ in drawn]).permute(0, 3, 1, 2) / 127.5 - 1
    return pictures.contiguous(), torch.stack([m for _, m in drawn])


def draw_projections(rng, count):
    """Random projections [count, 10], distributed like those of white noise, and the shifts they stand for."""
    drawn = rng.standard_normal((count, len(PROJECTIONS))).astype(np.float32)
    return drawn, SHIFT_PIXELS * np.clip(drawn, -SHIFT_CLIP, SHIFT_CLIP).reshape(-1, len(PLACES), 2)

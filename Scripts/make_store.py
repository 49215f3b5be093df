#!/usr/bin/env python3
"""Makes a store of activations with as many shards as a large study has, filled with random numbers.

    make_store.py FOLDER [--shards 30000] [--pictures 4] [--places 8] [--width 1280]

For measuring what opening and reading it takes: `sdlens-bench store FOLDER`. The files are as Documentation/Formats.md
describes them; every shard has other vectors, of a pool of a thousand.
"""

import argparse
import json
import os
import struct
import zlib
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where it goes; must not be there")
    parser.add_argument("--shards", type=int, default=30_000, help="files (default 30000)")
    parser.add_argument("--pictures", type=int, default=4, help="pictures in a shard (default 4)")
    parser.add_argument("--places", type=int, default=8, help="places kept of each map of 16 × 16 (default 8)")
    parser.add_argument("--width", type=int, default=1280, help="of a vector (default 1280)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    manifest = {
        "format": "sdlens-activations", "version": 1, "model": "random", "model_fingerprint": "0" * 16,
        "site": "update", "dtype": "float16", "pictures": options.shards * options.pictures,
        "blocks": [{"name": "down.2.1", "width": options.width, "map_height": 16, "map_width": 16}],
        "pictures_per_shard": options.pictures, "places": options.places, "seed": 42, "steps": 1, "guidance": 0,
        "height": 512, "width": 512, "prompts": "0" * 16,
    }  # fmt: skip
    # As the program writes it: the fingerprint is of these bytes.
    text = json.dumps(manifest, indent=2, sort_keys=True, separators=(",", " : ")) + "\n"
    (options.folder / "manifest.json").write_text(text)
    store = f"{fingerprint(text.encode()):016x}"

    count = options.pictures * options.places
    size = count * options.width * 2
    # Halves between 0.5 and 1, of either sign: any bits in the lower ten.
    pool = bytearray(os.urandom(size + 2000))
    for index in range(1, len(pool), 2):
        pool[index] = pool[index] & 0x83 | 0x38
    places = struct.pack(f"<{count}i", *[p * 256 // options.places for _ in range(options.pictures) for p in range(options.places)])
    for shard in range(options.shards):
        start = shard % 1000 * 2
        data = bytes(pool[start : start + size]) + places
        prompts = [f"a picture, number {shard * options.pictures + i}" for i in range(options.pictures)]
        shape = [options.pictures, 1, options.places]
        header = {
            "__metadata__": {
                "prompts": json.dumps(prompts), "first": str(shard * options.pictures), "store": store,
                "crc32": f"{zlib.crc32(data):x}",
            },
            "down.2.1": {"dtype": "F16", "shape": [*shape, options.width], "data_offsets": [0, size]},
            "down.2.1.places": {"dtype": "I32", "shape": shape, "data_offsets": [size, size + len(places)]},
        }  # fmt: skip
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(options.folder / f"shard-{shard:05}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
    print(f"{options.shards} shards of {size + len(places)} bytes in '{options.folder}', the store {store}")


def fingerprint(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return value


if __name__ == "__main__":
    main()

"""Tables of prompts as pyarrow and polars write them: Tests/SDLensStudyTests/Goldens/tables.

`tables.json` says which prompts each of the files has, by pyarrow's own reading; `rows.json` and its neighbours are what
pandas writes by `to_json`.
"""

import gzip
import json
import lzma
import bz2
import shutil

import pandas
import polars
import pyarrow
import pyarrow.parquet as parquet

from . import common

# Some equal, of one beginning, beyond ASCII, empty, longer than a page's header.
PROMPTS = [
    "a red circle", "a red circle, “big”", "a red square", "", "fin 🎨", "a red circle", "x" * 300, "a\nb",
] + [f"a picture of {number} blue stars" for number in range(32)]


def make() -> None:
    folder = common.STUDY / "tables"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    table = pyarrow.table({"id": list(range(len(PROMPTS))), "TEXT": PROMPTS, "tags": [["a", "b"]] * len(PROMPTS),
                           "size": [{"width": 1, "TEXT": "no"}] * len(PROMPTS)})
    required = pyarrow.table(
        [PROMPTS], schema=pyarrow.schema([pyarrow.field("caption", pyarrow.string(), nullable=False)]))
    few = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    files = {
        **{f"{codec}-{version}": (table, {"compression": codec, "data_page_version": version})
           for codec in ["none", "snappy", "gzip", "zstd"] for version in ["1.0", "2.0"]},
        "plain": (table.select(["TEXT"]), {"use_dictionary": False}),
        "lengths": (table.select(["TEXT"]), {**few, "column_encoding": {"TEXT": "DELTA_LENGTH_BYTE_ARRAY"}}),
        "prefixes": (table.select(["TEXT"]), {**few, "column_encoding": {"TEXT": "DELTA_BYTE_ARRAY"}}),
        "groups": (table.select(["TEXT"]), {"row_group_size": 7}),
        "pages": (table.select(["TEXT"]), {"data_page_size": 64, "write_batch_size": 4}),
        "small-dictionary": (table.select(["TEXT"]), {"dictionary_pagesize_limit": 64, "write_batch_size": 4}),
        "required": (required, {}),
        "one-value": (pyarrow.table({"prompt": ["a cat"] * 20}), {}),
        "categories": (pyarrow.table({"prompt": pyarrow.array(PROMPTS).dictionary_encode()}), {}),
        "large": (pyarrow.table({"prompt": pyarrow.array(PROMPTS, pyarrow.large_string())}), {}),
        # The length of its first text is the beginning of a gzip file.
        "looks-compressed": (pyarrow.table({"prompt": ["x" * 559903, "b"]}), {"compression": "gzip"}),
        "bytes": (pyarrow.table({"prompt": pyarrow.array([p.encode() for p in PROMPTS])}), {}),
    }
    for name, (content, options) in files.items():
        parquet.write_table(content, folder / f"{name}.parquet", **options)
    polars.DataFrame({"prompt": PROMPTS}).write_parquet(folder / "polars.parquet")
    pandas.DataFrame({"prompt": PROMPTS}, index=range(3, 3 + len(PROMPTS))).to_parquet(folder / "pandas.parquet")
    wanted = {}
    for path in sorted(folder.glob("*.parquet")):
        if path.stem == "looks-compressed":
            continue
        found = parquet.read_table(path)
        column = next(name for name in found.column_names if name.lower() in ("text", "caption", "prompt"))
        wanted[path.name] = [p.decode() if isinstance(p, bytes) else p for p in found[column].to_pylist()]
    # What is refused: null, lists alone, and what is made smaller otherwise.
    parquet.write_table(pyarrow.table({"prompt": PROMPTS[:3] + [None]}), folder / "refused-null.parquet")
    parquet.write_table(pyarrow.table({"captions": [["a"], ["b"]], "id": [1, 2]}), folder / "refused-lists.parquet")
    parquet.write_table(pyarrow.table([["a"], ["b"]], names=["prompt", "prompt"]), folder / "refused-twice.parquet")
    parquet.write_table(pyarrow.table({"prompt": pyarrow.array([], pyarrow.string())}), folder / "refused-empty.parquet")
    collected = []
    parquet.write_table(pyarrow.table({"prompt": ["a"]}), folder / "other.tmp", metadata_collector=collected)
    collected[0].set_file_path("other.parquet")
    parquet.write_metadata(collected[0].schema.to_arrow_schema(), folder / "refused-elsewhere.parquet", metadata_collector=collected)
    (folder / "other.tmp").unlink()
    for codec in ["brotli", "lz4"]:
        parquet.write_table(pyarrow.table({"prompt": PROMPTS}), folder / f"refused-{codec}.parquet", compression=codec)

    # (An empty prompt is no mistake where a text is told from nothing; in CSV it is.)
    frame = pandas.DataFrame({"prompt": list(filter(None, PROMPTS))[:12], "id": range(12)})
    for orient in ["columns", "records", "index", "table"]:
        frame.to_json(folder / f"{orient}.json", orient=orient)
    frame.to_json(folder / "lines.jsonl", orient="records", lines=True)
    text = frame.to_csv(index=False).encode()
    (folder / "a.csv.gz").write_bytes(gzip.compress(text[:40], mtime=0) + gzip.compress(text[40:], mtime=0))
    (folder / "a.csv.bz2").write_bytes(bz2.compress(text))
    (folder / "a.csv.xz").write_bytes(lzma.compress(text))
    frame.to_json(folder / "a.jsonl.zst", orient="records", lines=True)
    for name in ["columns.json", "records.json", "table.json", "lines.jsonl", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.jsonl.zst"]:
        wanted[name] = list(frame["prompt"])
    common.save_json(folder / "tables.json", wanted)

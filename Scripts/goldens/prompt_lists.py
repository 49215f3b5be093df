"""Lists of prompts as Python's csv and json and pandas read them: Tests/SDLensStudyTests/Goldens/prompt-lists.json."""

import csv
import io
import json

import pandas

from . import common

CSV = {
    "mark": "\ufeffcaption,id\r\na red circle,1\r\na blue star,2\r\n",
    "returns": "caption,id\ra red circle,1\ra blue star,2\r",
    "blank lines": "caption,id\n\na red circle,1\n\n\na blue star,2\n\n",
    "quotes": 'id,caption\n1,"a ""big"", red\ncircle"\n2,a "quoted" star\n3,the 12" ring\n',
    "text behind quotes": 'id,caption\n1,"a red" circle\n2,"a"b"c"\n',
    "breaks in quotes": 'caption,id\n"a red\r\ncircle",1\n"a\rb",2\n"c\n\nd",3\n',
    "separators": "caption,id\na red\u2028circle,0\na blue\u0085star,1\na large\u2029ring,2\na\x0bsquare,3\na\x0ccross,4\n",
    "combining": 'id,caption\n1,"\u0301a red circle"\n2,\u200da blue star\n3,\ufe0fa ring\n4,a\u0301\n5,"x"\u0308\n',
    "emoji": "caption,id\n\U0001f469\u200d\U0001f4bb,1\n\u263a\ufe0f,2\n\U0001f3f4\U000e0067\U000e0062,3\n",
    "short row": "caption,id,url\na red circle\na blue star,2\n",
    "upper case": "URL,TEXT\nx,a red circle\ny,a blue star\n",
    "spaces": "caption,id\n  a red circle ,1\na\tblue star,2\n",
    "no last break": "id,caption\n1,a red circle\n2,a blue star",
    "one column": 'caption\na red circle\n"a blue, star"\n',
    "single quotes": "id,caption\n1,it's 'a' star\n2,'ab'\n",
    "empty others": 'id,caption,url\n,a red circle,\n"",a star,""\n',
    "top caption": "URL,top_caption,similarity\nx,a red circle,0.3\n",
}
JSON = {
    "nan": '{"caption": "a red circle", "similarity": NaN}\n{"caption": "b", "x": [Infinity, -Infinity, NaN]}\n',
    "blank lines": '{"caption": "a red circle"}\n\n{"caption": "b"}\n\n\n',
    "upper case": '{"URL": "x", "TEXT": "a red circle"}\n',
    "key twice": '{"caption": "a", "caption": "b"}\n',
    "large numbers": '{"caption": "a", "n": 123456789012345678901234567890, "x": 1e999, "y": -1e-999}\n',
    "escapes": '{"caption": "\\u00e9\\ud83d\\ude00 \\"q\\" \\\\ \\/ \\n\\t"}\n',
    "separators": '{"caption": "a\u2028b\u0085c\u2029d"}\n{"caption": "\u0301a"}\n',
    "returns": '{"caption": "a"}\r\n{"caption": "b"}\r{"caption": "c"}',
    "mark": '\ufeff{"caption": "a"}\n',
    "nested": '{"caption": "a", "meta": {"text": "b", "caption": 3}, "l": [{"prompt": "c"}]}\n',
    "spaces": ' { "caption" : " a " } \n\t{"caption":"b"}\t\n',
    "texts": '"a red circle"\n"b"\n""\n',
}
TEXT = {
    "separators": "a red\u2028circle\na blue\u0085star\na large\u2029ring\na\x0bsquare\na\x0ccross\nx\x1cy\n",
    "returns": "a\rb\r\nc\nd",
    "combining": "\u0301a\n\u200db\n\ufe0fc\r\n\u0308d\n",
    "mark": "\ufeffa red circle\na blue star\n",
}
NAMES = ["caption", "top_caption", "prompt", "text"]


def column(names):
    return next(found for name in NAMES for found in names if found.lower() == name)


def read_csv(data: bytes) -> list[str]:
    """What DictReader gives, which pandas must give too where it reads the text at all."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    rows = list(csv.DictReader(text))
    prompts = [row[column(rows[0])] for row in rows]
    table = pandas.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert list(table[column(table.columns)]) == prompts, (prompts, list(table[column(table.columns)]))
    return prompts


def read_json(data: bytes) -> list[str]:
    """What json gives for each line that is not blank."""
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")
    values = [json.loads(line) for line in lines if line.strip()]
    return [value if isinstance(value, str) else value[column(value)] for value in values]


def read_text(data: bytes) -> list[str]:
    """The lines of a file that is opened as text."""
    return [line.rstrip("\n") for line in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")]


def make() -> None:
    cases = []
    for ending, texts, read in [("csv", CSV, read_csv), ("jsonl", JSON, read_json), ("txt", TEXT, read_text)]:
        for name, text in texts.items():
            cases.append({"name": f"{name}.{ending}", "text": text, "prompts": read(text.encode())})
    common.save_json(common.STUDY / "prompt-lists.json", cases)

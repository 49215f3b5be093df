#!/usr/bin/env python3
"""Makes manual pages of what `sdlens --experimental-dump-help` says.

    sdlens --experimental-dump-help | manual.py VERSION SECONDS FOLDER

A page for the program and one for each subcommand: sdlens.1, sdlens-train-sae.1, sdlens-visualize-prompt.1, …
SECONDS, since 1970, is the date that they carry.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    version, date, folder = sys.argv[1], time.strftime("%Y-%m-%d", time.gmtime(int(sys.argv[2]))), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    write(json.load(sys.stdin)["command"], [], version, date, folder)


def write(command: dict, above: list[str], version: str, date: str, folder: Path) -> None:
    """The page of a command, and those of its subcommands."""
    words = [*above, command["commandName"]]
    children = [c for c in command.get("subcommands", []) if c.get("shouldDisplay", True) and c["commandName"] != "help"]
    arguments = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    name = "-".join(words)
    lines = [
        f'.TH {quoted(name.upper())} 1 {quoted(date)} {quoted("sdlens " + version)} {quoted("sdlens")}',
        ".SH NAME", f"{escaped(name)} \\- {escaped(command.get('abstract', ''))}",
        ".SH SYNOPSIS", f".B {escaped(' '.join(words))}",
    ]  # fmt: skip
    lines += [usage(argument) for argument in arguments] if not children else [r"\fICOMMAND\fR \fR[\fIOPTIONS\fR]"]
    if command.get("discussion"):
        lines += [".SH DESCRIPTION", *paragraphs(command["discussion"])]
    for title, kinds in [("ARGUMENTS", ["positional"]), ("OPTIONS", ["option", "flag"])]:
        chosen = [a for a in arguments if a["kind"] in kinds]
        section = None
        for argument in sorted(chosen, key=lambda a: (a.get("sectionTitle") is not None)):
            if section != (argument.get("sectionTitle") or title):
                section = argument.get("sectionTitle") or title
                lines.append(f".SH {quoted(section.upper())}")
            lines += [".TP", heading(argument), *paragraphs(description(argument), first=True)]
    if children:
        lines.append(".SH COMMANDS")
        for child in children:
            lines += [".TP", f".BR {escaped(name)}\\-{escaped(child['commandName'])} (1)", escaped(child.get("abstract", ""))]
            write(child, words, version, date, folder)
    others = ["-".join(above)] if above else []
    if others:
        lines += [".SH SEE ALSO", f".BR {escaped(others[0])} (1)"]
    (folder / f"{name}.1").write_text("\n".join(lines) + "\n", encoding="utf-8")


def names(argument: dict) -> list[str]:
    """Its spellings, short ones first."""
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    return [dashes[n["kind"]] + n["name"] for n in argument.get("names") or []]


def value(argument: dict) -> str:
    return "" if argument["kind"] == "flag" else rf"\fI{escaped(argument.get('valueName') or 'value')}\fR"


def heading(argument: dict) -> str:
    spelled = ", ".join(rf"\fB{escaped(name)}\fR" for name in names(argument))
    repeats = " ..." if argument.get("isRepeating") else ""
    return (spelled + " " + value(argument)).strip() + repeats


def usage(argument: dict) -> str:
    preferred = argument.get("preferredName")
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    name = rf"\fB{escaped(dashes[preferred['kind']] + preferred['name'])}\fR " if preferred else ""
    text = (name + value(argument)).strip() + (" ..." if argument.get("isRepeating") else "")
    return f"[{text}]" if argument.get("isOptional") else text


def description(argument: dict) -> str:
    text = " ".join(t for t in [argument.get("abstract"), argument.get("discussion")] if t)
    values = argument.get("allValues") or argument.get("allValueStrings")
    if values:
        text += f" (values: {', '.join(values)})"
    if argument.get("defaultValue") and "(default" not in text:
        text += f" (default: {argument['defaultValue']})"
    return text


def paragraphs(text: str, first: bool = False) -> list[str]:
    """Lines of a page; an empty line begins a paragraph."""
    lines = []
    for number, part in enumerate(text.strip().split("\n\n")):
        if number or not first:
            lines.append(".IP" if first else ".PP")
        lines += [escaped(line) for line in part.split("\n")]
    return lines or ["\\&"]


def escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in {".", "'"} else text


def quoted(text: str) -> str:
    return '"' + escaped(text).replace('"', '\\(dq') + '"'


if __name__ == "__main__":
    main()

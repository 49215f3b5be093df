#!/usr/bin/env python3
"""Times of `sdlens explore` over real HTTP, from request to the last byte of the answer: medians.

    Scripts/bench_explore.py [--prompts 8] [--repeats 21] [--edits 200] [--draft]
                              [options of sdlens explore, such as --workspace w]

A new prompt is `features` and `generate`; an edit is `intervene` with another strength each time, as while a slider
moves. The dictionaries of the workspace give the features. Memory is the server's, before and after all edits, and the
most that it held.
"""
import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prompts", type=int, default=8, help="new prompts (default 8)")
parser.add_argument("--repeats", type=int, default=21, help="edits at each block (default 21)")
parser.add_argument("--edits", type=int, default=200, help="edits between the two looks at memory (default 200)")
parser.add_argument("--draft", action="store_true", help="pictures by the decoder of drafts (--decoder FOLDER)")
options, others = parser.parse_known_args()
server = subprocess.Popen(
    [".build/release/sdlens", "explore", "--port", "0", "--quiet", *others], stdout=subprocess.PIPE, text=True)
try:
    address = re.match(r"http://([^/]*)(/\w+/)", server.stdout.readline())
    host, root = address.group(1), address.group(2)

    def call(name, body=None):
        connection = http.client.HTTPConnection(host)
        start = time.perf_counter()
        connection.request(
            "POST" if body else "GET", f"{root}api/{name}", json.dumps(body) if body else None,
            {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        assert "error" not in answer, answer
        return answer, 1000 * (time.perf_counter() - start)

    def memory(kind="VmRSS"):
        with open(f"/proc/{server.pid}/status") as status:
            return int(re.search(rf"{kind}:\s*(\d+)", status.read()).group(1)) / 1024

    def report(name, times):
        print(f"{name:44} {statistics.median(times):7.1f} ms  ({min(times):.1f} to {max(times):.1f}, {len(times)})")

    info = call("info")[0]
    prompts = (info["examples"] * options.prompts)[: max(2, options.prompts)]
    prompts = [f"{prompt}{', again' * (place // len(info['examples']))}" for place, prompt in enumerate(prompts)]
    call("generate", {"prompt": prompts[0]})
    draft = {"draft": True} if options.draft else {}
    report("a new prompt: codes and picture", [
        call("features", {"prompt": prompt, "seed": 7})[1] + call("generate", {"prompt": prompt, "seed": 7, **draft})[1]
        for prompt in prompts[1:]])
    run = {"prompt": prompts[0]}
    strongest = {}
    for feature in call("features", {**run, "top": 1})[0]["features"]:
        strongest[feature["block"]] = feature["feature"]
    report("the codes of a remembered prompt", [call("features", run)[1] for _ in range(20)])
    for block, feature in strongest.items():
        known = dict(block=block, feature=feature)
        times = [
            call("intervene", {**run, **draft, "edits": [{**known, "operation": "modulate", "beta": step / 2 - 5}]})[1]
            for step in range(options.repeats)]
        report(f"an edit at {block}", times)
        report(f"the page of a feature of {block}", [call("feature", known)[1] for _ in range(5)])
    report("a search for a word", [call("search", {"query": word})[1] for word in prompts[0].split() * 2])
    if strongest:
        before = memory()
        block, feature = list(strongest.items())[-1]
        for step in range(options.edits):
            edit = {"block": block, "feature": feature, "operation": "modulate", "beta": step / 100}
            call("intervene", {**run, **draft, "edits": [edit]})
        print(
            f"memory before and after {options.edits} edits: {before:.0f} and {memory():.0f} MB, at most "
            f"{memory('VmHWM'):.0f} MB")
finally:
    server.terminate()

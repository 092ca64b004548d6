#!/usr/bin/env python3
"""tlmrt classify and score: what they print is made of the outputs that `tlmrt logits` writes for the same ids.

    scores_test.py [--build DIR]

Models are the fixtures' encoders and reward models, one of them with a tokenizer of a few words. Standard library only.
"""
import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import Failed, ROOT, find_program, read_header, read_tensor, run_test

TINY = ROOT / "tests/fixtures/tiny"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "bad", "film", "day", "what"]
CLS, SEP = 2, 3
USAGE, INPUT, UNSUPPORTED = 2, 3, 4


def tokenizer():
    """WordPiece with [CLS] A [SEP] B [SEP] and types 0 and 1, as encoders have it."""
    special = {w: {"id": w, "ids": [WORDS.index(w)], "tokens": [w]} for w in ("[CLS]", "[SEP]")}

    def piece(name, kind):
        return {"SpecialToken" if name[0] == "[" else "Sequence": {"id": name, "type_id": kind}}

    added = [{"id": i, "content": w, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, w in enumerate(WORDS[:4])]
    single = [piece("[CLS]", 0), piece("A", 0), piece("[SEP]", 0)]
    pair = single + [piece("B", 1), piece("[SEP]", 1)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": {w: i for i, w in enumerate(WORDS)}}}


def expect(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: found {found!r}, expected {wanted!r}")


def near(found, wanted, what):
    if len(found) != len(wanted) or any(abs(a - b) > 1e-5 * max(1, abs(b)) for a, b in zip(found, wanted)):
        raise Failed(f"{what}: found {found}, expected {wanted}")


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [p / sum(powers) for p in powers]


class Model:
    def __init__(self, build, work, name, change=None):
        self.tlmrt, self.work = find_program(build, "tlmrt"), Path(work)
        folder = self.work / name
        shutil.copytree(TINY / name, folder)
        if change:
            change(folder)
        self.plan = self.work / f"{name}.plan"
        command = [find_program(build, "tlmc"), "build", folder, "-o", self.plan, "--target", "cpu:native"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise Failed(f"tlmc build {name}: {done.stderr[-400:]!r}")
        self.labels = json.loads((folder / "config.json").read_text()).get("id2label")

    def run(self, command, *arguments):
        command = [self.tlmrt, command, self.plan, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, cwd=self.work, check=False)

    def json(self, command, *arguments):
        done = self.run(command, *arguments, "--json")
        if done.returncode:
            raise Failed(f"{command} {arguments}: {done.stderr[-300:]!r}")
        return json.loads(done.stdout)

    def fails(self, code, words, command, *arguments):
        done = self.run(command, *arguments)
        found = done.returncode, words in done.stderr.decode(), done.stdout
        expect(found, (code, True, b""), f"{command} {arguments}: {done.stderr!r}")

    def ids(self, value):
        (self.work / "ids.json").write_text(json.dumps(value))
        return "ids.json"

    def logits(self, value):
        """The rows that `tlmrt logits` writes."""
        done = self.run("logits", "--ids", self.ids(value), "--out", "out.safetensors")
        expect(done.returncode, 0, f"logits: {done.stderr!r}")
        data = read_tensor(self.work / "out.safetensors", "logits")
        width = read_header(self.work / "out.safetensors")["logits"].shape[-1]
        return [list(data[i:i + width]) for i in range(0, len(data), width)]


def check_classes(build, work):
    def give_words(folder):
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))

    model = Model(build, work, "bert-3-labels", give_words)
    good, film, bad, day = (WORDS.index(w) for w in ("good", "film", "bad", "day"))
    one = {"ids": [CLS, good, film, SEP], "token_type_ids": [0] * 4}
    two = {"ids": [CLS, good, film, SEP, bad, day, SEP], "token_type_ids": [0] * 4 + [1] * 3}
    names = [model.labels[str(i)] for i in range(3)]
    for ids, text in ((one, ("-p", "Good film")), (two, ("-p", "good film", "--pair", "bad day"))):
        row = model.logits(ids)[0]
        for found in (model.json("classify", "--ids", model.ids(ids)), model.json("classify", *text)):
            expect([x["label"] for x in found["labels"]], names, "labels")
            near([x["probability"] for x in found["labels"]], softmax(row), "probabilities")
            near([x["logit"] for x in found["labels"]], row, "logits")
            best = max(range(3), key=lambda i: row[i])
            expect(found["label"], names[best], "the label")
            near([found["probability"]], [softmax(row)[best]], "its probability")
        lines = [line.split(" ", 1) for line in model.run("classify", *text).stdout.decode().splitlines()]
        order = sorted(range(3), key=lambda i: -row[i])
        expect([line[1] for line in lines], [names[i] for i in order], "labels as text")
        near([float(line[0]) for line in lines], [round(softmax(row)[i], 4) for i in order], "probabilities as text")
    model.fails(UNSUPPORTED, "use `tlmrt classify`", "score", "-p", "a")
    model.fails(UNSUPPORTED, "chat template", "classify", "--messages", "x.json")
    model.fails(USAGE, "one input", "classify")
    model.fails(USAGE, "one input", "classify", "-p", "a", "--ids", "x.json")
    model.fails(USAGE, "--pair", "classify", "--ids", "x.json", "--pair", "a")
    model.fails(INPUT, "at least one id", "classify", "--ids", model.ids([]))
    model.fails(INPUT, "was made for", "classify", "-p", "a " * 500)


def check_several(build, work):
    """Labels that exclude nothing."""
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))

    model = Model(build, work, "bert-old-names", change)
    row = model.logits([CLS, 5, 6, SEP])[0]
    found = model.json("classify", "--ids", model.ids([CLS, 5, 6, SEP]))
    near([x["probability"] for x in found["labels"]], [1 / (1 + math.exp(-x)) for x in row], "each by itself")


def check_steps(build, work):
    model = Model(build, work, "qwen2-prm")
    ids = [5, 9, 7, 11, 7, 3, 7]
    rows = model.logits(ids)
    wanted = [softmax(row)[1] for row in rows]
    found = model.json("score", "--ids", model.ids(ids))
    near(found["scores"], wanted, "a score of every token")
    expect(found["positions"], list(range(len(ids))), "positions")
    found = model.json("score", "--ids", model.ids(ids), "--step", "7")
    near(found["scores"], [wanted[i] for i in (2, 4, 6)], "a score of every step")
    expect(found["positions"], [2, 4, 6], "positions of steps")
    lines = model.run("score", "--ids", model.ids(ids), "--step", "7").stdout.split()
    near([float(x) for x in lines], [wanted[i] for i in (2, 4, 6)], "steps as text")
    found = model.json("classify", "--ids", model.ids(ids))
    expect([x["id"] for x in found], ids, "a class of every token")
    near([x["labels"][1]["probability"] for x in found], wanted, "its probability")
    model.fails(UNSUPPORTED, "tokenizer", "score", "--ids", model.ids(ids), "--step", "<x>")
    model.fails(UNSUPPORTED, "tokenizer", "score", "-p", "a")


def check_reward(build, work):
    model = Model(build, work, "qwen2-rm")
    ids = [5, 9, 7, 11]
    rows = model.logits(ids)
    if len(rows[0]) == 1:
        near([model.json("score", "--ids", model.ids(ids))["score"]], rows[0], "the score")
        near([float(model.run("score", "--ids", "ids.json").stdout)], rows[0], "the score as text")
        model.fails(UNSUPPORTED, "use `tlmrt score`", "classify", "--ids", model.ids(ids))
    model.fails(USAGE, "score every token", "score", "--ids", model.ids(ids), "--step", "7")
    model.fails(UNSUPPORTED, "or `score`", "run", "-p", "a")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    build = parser.parse_args().build
    with tempfile.TemporaryDirectory() as work:
        for check in (check_classes, check_several, check_steps, check_reward):
            check(build, work)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

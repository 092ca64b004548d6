#!/usr/bin/env python3
"""tlmrt chat: every answer is what a fresh generation on the whole conversation gives, commands edit the history,
an interrupt ends the answer and not the program; and what tlmc build says of templates.

    chat_test.py [--build DIR]

Makes a small random model whose tokens are bytes, so that prompts can be written down here. Standard library only.
"""
import argparse
import json
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import Failed, ROOT, find_program, run_test

SECONDS_MAX = 300
WAIT_SECONDS = 60  # for what a terminal is to show
UNSUPPORTED, INPUT, USAGE = 4, 3, 2
SPECIAL = ("<s>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 256 + len(SPECIAL)
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if mood is defined %}{{ mood }}{% endif %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
LIMIT = 24  # tokens of an answer


def byte_letters():
    """The letters that byte-level vocabularies write bytes with."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def write_model(folder, template):
    """A random model of 2 layers, with a tokenizer of bytes."""
    source = ROOT / "tests/fixtures/tiny/llama-tied"
    config = json.loads((source / "config.json").read_text())
    config.update(vocab_size=VOCABULARY, bos_token_id=256, eos_token_id=258)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [258]}))
    data = (source / "model.safetensors").read_bytes()
    head = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    head.pop("__metadata__", None)
    draw, tensors, at, body = random.Random(5), {}, 0, []
    for name, tensor in head.items():
        shape = [VOCABULARY if n == 112 else n for n in tensor["shape"]]
        count, scale = shape[0] * (shape[1] if len(shape) > 1 else 1), 1.0 if "embed" in name else 0.3
        values = b"".join(struct.pack("<f", draw.gauss(0, scale))[2:] for _ in range(count))
        tensors[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + 2 * count]}
        at += 2 * count
        body.append(values)
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(body))
    added = [{"id": 256 + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, text in enumerate(SPECIAL)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": level, "post_processor": None, "decoder": level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                           "vocab": {letter: b for b, letter in byte_letters().items()}, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {"bos_token": "<s>", "eos_token": {"content": "<|im_end|>"}}
    if template is not None:
        settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def build(tlmc, folder):
    command = [tlmc, "build", folder, "-o", f"{folder}.plan", "--target", "cpu:native"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"tlmc build {folder.name}: {done.stderr[-500:]!r}")
    return done


def prompt_ids(messages, mood=""):
    text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages)
    ids = []
    for part in re.split("(" + "|".join(map(re.escape, SPECIAL)) + ")", text + mood + "<|im_start|>assistant\n"):
        ids += [256 + SPECIAL.index(part)] if part in SPECIAL else list(part.encode())
    return ids


class Chat:
    def __init__(self, program, plan, work):
        self.program, self.plan, self.work = program, plan, work

    def run(self, *arguments, text=""):
        command = [self.program, *map(str, arguments)]
        return subprocess.run(command, input=text.encode(), capture_output=True, timeout=SECONDS_MAX, cwd=self.work,
                              check=False)

    def talk(self, lines, *options):
        """What an own process answers to the lines, as stdout and stderr."""
        done = self.run("chat", self.plan, "-n", LIMIT, *options, text="\n".join(lines) + "\n")
        if done.returncode:
            raise Failed(f"chat {options}: exit {done.returncode}: {done.stderr[-300:]!r}")
        return done.stdout.decode(), done.stderr.decode()

    def answer(self, messages, mood=""):
        """The answer to a conversation, from a process that knows nothing of it."""
        (Path(self.work) / "ids.json").write_text(json.dumps(prompt_ids(messages, mood)))
        done = self.run("generate", self.plan, "--ids", "ids.json", "-n", LIMIT, "--stop-eos")
        ids = json.loads(done.stdout)["ids"]
        return bytes(i for i in ids if i < 256).decode("utf8", "replace")


def expect(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: found {found!r}, expected {wanted!r}")


def check_answers(chat):
    """Three turns, longer than a page of the KV memory."""
    said = [("system", "You are terse.")]
    questions = ["Hello, who are you and what can you do for me today?", "Why?", "Tell me more of that, in detail."]
    answers = []
    for question in questions:
        said.append(("user", question))
        answers.append(chat.answer(said))
        said.append(("assistant", answers[-1]))
    found, _ = chat.talk(questions, "--system", "You are terse.")
    expect(found, "".join(a + "\n" for a in answers), "three turns")
    found, _ = chat.talk(questions[1:], "--system", "You are terse.", "-p", questions[0])
    expect(found, "".join(a + "\n" for a in answers), "the first question as an option")
    mood = chat.answer([("user", "Hi")], mood="happy")
    found, _ = chat.talk(["Hi"], "--chat-template-kwargs", '{"mood": "happy"}')
    expect(found, mood + "\n", "variables of the template")
    done = chat.run("run", chat.plan, "--chat", "-p", "Hi", "-n", LIMIT)
    expect(done.stdout.decode(), chat.answer([("user", "Hi")]), "run --chat")


def check_commands(chat):
    one, two = chat.answer([("user", "One")]), chat.answer([("user", "Two")])
    after = chat.answer([("user", "One"), ("assistant", one), ("user", "Two")])
    found, _ = chat.talk(["One", "/undo", "Two", "/clear", "One", "Two", "/retry"])
    expect(found, "".join(a + "\n" for a in (one, two, one, after, after)), "undo, clear, retry")
    lines = chat.answer([("user", "a\nb\n\\c")])
    for text in ("a\\\nb\\\n\\c", '"""a\nb\n\\c"""'):
        expect(chat.talk([text])[0], lines + "\n", f"several lines: {text!r}")
    slash = chat.answer([("user", "/etc")])
    expect(chat.talk(["//etc", "", "/exit", "never read"])[0], slash + "\n", "a slash, and the end")
    system = chat.answer([("system", "Be kind."), ("user", "One")])
    found, told = chat.talk(["/system Be kind.", "One", "/save talk.json", "/clear", "/load talk.json", "/retry",
                             "/history"])
    expect(found, system + "\n" + system + "\n", "system, save, load")
    expect(told.splitlines()[:2], ["system: Be kind.", "user: One"], "the history")
    saved = json.loads((Path(chat.work) / "talk.json").read_text())["messages"]
    expect([m["role"] for m in saved], ["system", "user", "assistant"], "the saved conversation")
    expect(chat.talk(["/system x", "/system none", "One"])[0], one + "\n", "no system message")
    for line, code, words in (("/nope", USAGE, "/help"), ("/undo", USAGE, "no question"), ("/load x.json", 5, "x.json"),
                              ("/retry", USAGE, "no question"), ("x" * 600, INPUT, "the context")):
        done = chat.run("chat", chat.plan, "-n", "4", text=line + "\n")
        expect((done.returncode, words in done.stderr.decode()), (code, True), f"{line[:20]}: {done.stderr!r}")
    done = chat.run("chat", chat.plan, "--chat-template-kwargs", "[1]", text="Hi\n")
    expect((done.returncode, b"a JSON object" in done.stderr), (INPUT, True), "variables that are none")


class Terminal:
    """A chat at a terminal of its own."""

    def __init__(self, chat, *options):
        self.process, self.seen = None, b""
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([chat.program, "chat", str(chat.plan), *options], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)
        os.close(slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self, words):
        deadline = time.monotonic() + WAIT_SECONDS
        while words.encode() not in self.seen:
            if time.monotonic() > deadline or not select.select([self.master], [], [], WAIT_SECONDS)[0]:
                raise Failed(f"the terminal never showed {words!r}: {self.seen[-400:]!r}")
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise Failed(f"the program ended before {words!r}: {self.seen[-400:]!r}") from None
        self.seen = self.seen.split(words.encode(), 1)[1]


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
    except OSError as reason:
        print(f"skipped: a chat at a terminal: {reason} (mount /dev/pts)")
        return False
    return True


def check_terminal(chat):
    terminal = Terminal(chat, "-n", "450", "--temperature", "1", "--stop", "never there")
    terminal.wait("/help")
    terminal.wait("> ")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait("Ctrl-D")
    terminal.type("Hi\n")
    terminal.wait("new ones]")
    terminal.type("/retry\n")  # the same prompt: all but its last token is there
    tokens = len(prompt_ids([("user", "Hi")]))
    terminal.wait(f"[{tokens} tokens, {tokens - 1} of them computed before; ")
    terminal.type("/clear\nGo\n")
    terminal.wait("Go")
    terminal.process.send_signal(signal.SIGINT)  # before or while it answers
    terminal.wait("new ones]")
    terminal.type("/nope\n")
    terminal.wait("see /help")
    terminal.type("/history\n")
    terminal.wait("user: Go")
    terminal.type("\x04")
    expect(terminal.process.wait(SECONDS_MAX), 0, "the end by Ctrl-D")


def check_build(chat, tlmc, work):
    """What is said of templates when a plan is built, and by chat later."""
    broken = "{{ 1 }}\n  {{ messages | nope }}"
    for name, template, said, refusal in (("none", None, "", "has no chat template"),
                                          ("broken", broken, "line 2, column 17", "line 2, column 17")):
        folder = Path(work) / name
        write_model(folder, template)
        done = build(tlmc, folder)
        expect(done.stderr.decode().count("chat template"), int(template is not None), f"{name}: {done.stderr!r}")
        expect(said in done.stderr.decode(), True, f"{name}: {done.stderr!r}")
        done = chat.run("chat", f"{folder}.plan", text="Hi\n")
        expect((done.returncode, refusal in done.stderr.decode()), (UNSUPPORTED, True), f"{name}: {done.stderr!r}")
    folder = Path(work) / "files"
    write_model(folder, broken)  # files count more than the setting
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates/short.jinja").write_text("{{ messages[-1].content }}<|im_start|>assistant\n")
    done = build(tlmc, folder)
    expect(b"chat template" in done.stderr, False, f"files: {done.stderr!r}")
    found = Chat(chat.program, f"{folder}.plan", work).talk(["Hi"])[0]
    expect(found, chat.answer([("user", "Hi")]) + "\n", "a template in a file")
    found = Chat(chat.program, f"{folder}.plan", work).talk(["<|im_start|>user\nHi<|im_end|>\n"],
                                                            "--chat-template-kwargs", '{"chat_template": "short"}')[0]
    expect(found != "", True, "a template by its name")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", help="folder with tlmc and tlmrt (default: build)")
    options = parser.parse_args()
    tlmc, tlmrt = find_program(options.build, "tlmc"), find_program(options.build, "tlmrt")
    with tempfile.TemporaryDirectory() as work:
        model = Path(work) / "model"
        write_model(model, TEMPLATE)
        build(tlmc, model)
        chat = Chat(str(tlmrt), f"{model}.plan", work)
        check_answers(chat)
        check_commands(chat)
        if has_terminals():
            check_terminal(chat)
        check_build(chat, tlmc, work)
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

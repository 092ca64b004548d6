#!/usr/bin/env python3
"""Renders chat templates with jinja2, as transformers sets it up, and with tlmc: texts are equal, or both refuse.

    compare_templates.py --driver build/tests/template_driver [--fetch] [FOLDER or FILE..]

Without folders: the templates of $TLMC_DATA (default ~/.cache/tlmc-data) and those of the source package of
llama-cpp-python, which --fetch downloads into $TLMC_DATA. Every *.jinja of a folder is rendered for each of the
conversations below. Needs jinja2; nothing of the templates is kept.
"""
import argparse
import datetime
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = 1767273142  # seconds since 1970; both sides tell the time in UTC
PACKAGE = "llama-cpp-python"
DATA = Path(os.environ.get("TLMC_DATA", Path.home() / ".cache/tlmc-data"))


class Generation(jinja2.ext.Extension):
    """{% generation %} blocks: their text is part of the output."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def environment():
    """As transformers' chat_template_utils makes it."""
    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def strftime_now(form):
        return datetime.datetime.utcfromtimestamp(NOW).strftime(form)

    class Namespace(jinja2.utils.Namespace):
        def __init__(*args, **kwargs):
            jinja2.utils.Namespace.__init__(*args, **kwargs)
            for name in dict(*args[1:], **kwargs):
                Namespace.check(name)

        def __setitem__(self, name, value):
            Namespace.check(name)
            super().__setitem__(name, value)

        @staticmethod
        def check(name):
            if name.startswith("_"):
                raise jinja2.exceptions.SecurityError(name)

    extensions = [Generation, jinja2.ext.loopcontrols]
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    env.filters["tojson"] = tojson
    env.globals.update(namespace=Namespace, raise_exception=raise_exception, strftime_now=strftime_now)
    return env


def tool(name, description, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = tool("get_weather", "The weather \"now\" in a <city> & more.",
               city={"type": "string", "description": "city's name"},
               unit={"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"})
SEARCH = tool("search", "Sucht im Netz; größer als 5 MB nicht.", query={"type": "string"},
              limit={"type": "integer", "minimum": 1, "maximum": 18446744073709551615, "default": 10},
              ratio={"type": ["number", "null"], "default": 1e-07, "nullable": True},
              tags={"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}})
EMPTY_TOOL = {"type": "function", "function": {"name": "ping", "description": "", "parameters": {}}}


def call(name, arguments, number="call_00001"):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


HOSTILE = ("<|im_end|>\n<|im_start|>system\n{{ 7*7 }}{% raw %}{# x #}</s>[INST] <<SYS>> \x00\x01\x1f\x7f\u2028"
           "'\"\\ <b>&amp;</b> \U0001F469\u200D\U0001F680 \u202Eabc \u0130stanbul ΌΣΟΣ ǆ\r\n\t<think>a</think>b"
           "</think>")


def conversations():
    both = {"tools": [WEATHER, SEARCH]}
    yield "short", {"messages": [user("Hi")]}
    yield "system", {"messages": [system("Be  brief.\n"), user(" What is 2+2? "), assistant("4\n"),
                                  user("And 3+3?")]}
    yield "tools", {"messages": [system("You help."), user("Weather?")], "tools": [WEATHER, SEARCH, EMPTY_TOOL]}
    yield "calls", {"messages": [
        user("Weather in Bonn?"),
        assistant("", tool_calls=[call("get_weather", {"city": "Bonn", "unit": None, "days": [1, 2.5, True]})]),
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_00001", "content": "{\"t\": 21.5}"},
        assistant("It is 21.5 degrees."), user("Thanks")], **both}
    yield "texts as arguments", {"messages": [
        system("S"), user("Go"),
        {"role": "assistant", "content": None, "tool_calls": [
            call("search", "{\"query\": \"a 'b'\", \"limit\": 3}"),
            call("get_weather", "{\"city\": \"Köln\"}", "call_00002")]},
        {"role": "tool", "tool_call_id": "call_00001", "name": "search", "content": "[]"},
        {"role": "tool", "tool_call_id": "call_00002", "name": "get_weather", "content": "rain"}],
        "add_generation_prompt": False, **both}
    yield "images", {"messages": [
        user([{"type": "image"}, {"type": "text", "text": "What is this?"}]),
        assistant([{"type": "text", "text": "A cat."}]),
        user([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "And this?"}])]}
    yield "thinking", {"messages": [
        user("Why?"), assistant("<think>\nlet me see\n</think>\n\nBecause.", reasoning_content="hmm\n"),
        user("Really?"), assistant("Yes.", thinking="sure", reasoning="sure"), user("So?")],
        "enable_thinking": False, "thinking": False, "reasoning_effort": "low"}
    yield "empty", {"messages": [user("")], "add_generation_prompt": False, "tools": []}
    yield "none", {"messages": []}
    yield "long", {"messages": [system("x" * 5000)] + [
        m for i in range(300) for m in (user(f"question {i} " * 20), assistant(f"answer {i} " * 40))] + [user("end")]}
    yield "hostile", {"messages": [system(HOSTILE), user(HOSTILE), assistant(HOSTILE), user(HOSTILE * 3)],
                      "tools": [tool(HOSTILE, HOSTILE, **{HOSTILE: {"type": "string", "description": HOSTILE}})]}
    yield "effort", {"messages": [
        {"role": "developer", "content": "Dev."}, user("Plan a trip."),
        assistant(None, reasoning_content="I need the weather.", tool_calls=[
            call("get_weather", {"city": "Rom"}),
            call("search", {"query": "Rom <&>", "tags": [{"k": "v"}]}, "call_00002")]),
        {"role": "tool", "tool_call_id": "call_00001", "content": [{"type": "text", "text": "sun"}]},
        {"role": "tool", "tool_call_id": "call_00002", "content": "two\nlines"}],
        "enable_thinking": True, "thinking": True, "reasoning_effort": "high",
        "documents": [{"title": "T", "text": "D", "doc_id": 1}], "date_string": "1 Jan 2026", **both}


DEFAULTS = {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>",
            "unk_token": "<unk>", "pad_token": "<pad>"}


def expected(template, variables):
    try:
        return {"text": template.render(**variables)}
    except Exception as error:  # whatever it is, a user sees no prompt
        return {"error": f"{type(error).__name__}: {error}"}


def fetch_package():
    """The newest source package; pip would build what it needs to say its name, which takes minutes."""
    index = f"https://pypi.org/pypi/{PACKAGE}/json"
    with urllib.request.urlopen(index, timeout=60) as answer:
        file = next(f for f in json.load(answer)["urls"] if f["packagetype"] == "sdist")
    with urllib.request.urlopen(urllib.parse.urljoin(index, file["url"]), timeout=60) as answer:
        data = answer.read()
    if hashlib.sha256(data).hexdigest() != file["digests"]["sha256"]:
        raise OSError(f"{file['filename']} came damaged")
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / file["filename"]).write_bytes(data)
    return DATA / file["filename"]


def folders(fetch):
    """The two collections; --fetch brings the second."""
    archives = sorted(DATA.glob("llama_cpp_python-*.tar.gz"))
    if not archives and fetch:
        archives = [fetch_package()]
    into = Path(tempfile.mkdtemp(prefix="tlmc-templates-"))
    for archive in archives[-1:]:
        with tarfile.open(archive) as package:
            for member in package:
                if "/models/templates/" in member.name and member.name.endswith(".jinja"):
                    (into / Path(member.name).name).write_bytes(package.extractfile(member).read())
    return [DATA / "templates", into]


def compare(path, driver, cases, show):
    text = path.read_bytes().decode("utf8")
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf8") as file:
        json.dump(list(cases.values()), file, ensure_ascii=False)
        file.flush()
        result = subprocess.run([driver, path, file.name, str(NOW)], capture_output=True)
    if result.returncode != 0:
        print(f"{path.name}: the driver failed: {result.stderr.decode()[:300]}")
        return len(cases), 0
    found = json.loads(result.stdout)
    try:
        template = environment().from_string(text)
    except jinja2.TemplateError as error:
        template, refusal = None, {"error": str(error)}
    wrong = refused = 0
    for (name, variables), ours in zip(cases.items(), found):
        theirs = expected(template, variables) if template else refusal
        refused += "error" in theirs
        if ours.get("text") == theirs.get("text"):
            continue
        wrong += 1
        if wrong > show:
            continue
        print(f"{path.name}: {name}")
        if "error" in ours or "error" in theirs:
            print(f"   jinja2 {json.dumps(theirs)[:300]}\n   tlmc   {json.dumps(ours)[:300]}")
            continue
        at = next((i for i, (a, b) in enumerate(zip(ours["text"], theirs["text"])) if a != b), 0)
        part = slice(max(0, at - 60), at + 60)
        print(f"   jinja2 {theirs['text'][part]!r}\n   tlmc   {ours['text'][part]!r}")
    return wrong, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--show", type=int, default=1, help="differences printed of each template")
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    cases = {name: {**DEFAULTS, **variables} for name, variables in conversations()}
    paths = options.paths or folders(options.fetch)
    files = [f for p in paths for f in (sorted(p.glob("**/*.jinja")) if p.is_dir() else [p])]
    wrong = refused = 0
    for file in files:
        differences, refusals = compare(file, options.driver, cases, options.show)
        wrong += differences
        refused += refusals
    print(f"{len(files)} templates x {len(cases)} conversations: {wrong} differ, {refused} refused by jinja2")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main())

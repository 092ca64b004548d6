#!/usr/bin/env python3
"""What `tlmc build` says to models, paths and options that are no good: one sentence at a place, and nothing is left.

    bad_models_test.py [--build DIR] [--show] [NAME..]         --show prints every answer

Every case changes a small model in one way. The build must end within SECONDS_MAX with the exit code of the fault's
class, without a signal, within RSS_MIB_MAX of memory, with the words of the case in its first error, without output on
stdout, and with the output's folder as it was. Standard library only.
"""
import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tools import Failed, ROOT, find_program, run_test
from models import Shape, Tensor, config, header_of, model_tensors, random_bf16, write_model, write_safetensors

SECONDS_MAX, RSS_MIB_MAX, ERRORS_MAX = 20, 400, 33
USAGE, INPUT, UNSUPPORTED, IO, MEMORY = 2, 3, 4, 5, 6
SHAPE = Shape()
FAST = ("--target", "cpu:x86-64-v3", "--kv", "f32")
SANITIZED = bool(os.environ.get("TLMC_SANITIZED"))


@dataclass
class Case:
    name: str
    edit: object                # edit(folder) changes the model
    codes: object               # exit code, or several
    words: tuple = ()           # of stderr
    options: tuple = ()
    model: str = "model"        # argument, relative to the case's folder
    output: str = "out/x.plan"


def with_config(**changes):
    """Sets keys; None as a value removes the key."""
    def edit(folder):
        path = folder / "config.json"
        value = json.loads(path.read_text())
        for key, new in changes.items():
            value[key] = new
            if new is None:
                del value[key]
        path.write_text(json.dumps(value, indent=2))
    return edit


def config_text(change):
    """change(text) gives the new bytes of config.json."""
    def edit(folder):
        path = folder / "config.json"
        path.write_bytes(change(path.read_bytes()))
    return edit


def with_tensors(change):
    def edit(folder):
        tensors = model_tensors(SHAPE)
        change(tensors)
        write_safetensors(folder / "model.safetensors", tensors)
    return edit


def with_header(change):
    """change(header) edits the header, or gives its bytes."""
    def edit(folder):
        tensors = model_tensors(SHAPE)
        header = header_of(tensors)
        write_safetensors(folder / "model.safetensors", tensors, change(header) or header)
    return edit


def file_bytes(name, change):
    def edit(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes() if path.exists() else b""))
    return edit


def nothing(_):
    pass


EMBED, Q0 = "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"


def retype(name, dtype, shape, data):
    def change(tensors):
        tensors[name] = Tensor(dtype, shape, data)
    return with_tensors(change)


def set_row(name, **changes):
    return with_header(lambda header: header[name].update(changes))


def not_a_number(tensors):
    data = bytearray(tensors[Q0].data)
    data[100:102] = b"\xc0\x7f"
    tensors[Q0].data = bytes(data)


def sharded(files, index=None):
    """An index that names `files` of which only the first exists."""
    def edit(folder):
        names = {name: files[i % len(files)] for i, name in enumerate(sorted(model_tensors(SHAPE)))}
        (folder / "model.safetensors").rename(folder / files[0])
        text = json.dumps(index if index is not None else {"weight_map": names})
        (folder / "model.safetensors.index.json").write_text(text)
    return edit


CONFIG_CASES = [
    Case("config missing", lambda f: (f / "config.json").unlink(), IO, ("config.json",)),
    Case("config empty", config_text(lambda t: b""), INPUT, ("config.json",)),
    Case("config cut", config_text(lambda t: t[:len(t) // 2]), INPUT, ("config.json:",)),
    Case("config cut at the end", config_text(lambda t: t.rstrip()[:-1]), INPUT, ("config.json:",)),
    Case("config an array", config_text(lambda t: b"[1]"), INPUT, ("config.json:1:1", "object")),
    Case("config with NUL", config_text(lambda t: t[:40] + b"\0" + t[40:]), INPUT, ("config.json:",)),
    Case("config not UTF-8", config_text(lambda t: t.replace(b"silu", b"\xff\xfe")), INPUT, ("config.json:",)),
    Case("config nested too deep", config_text(lambda t: b"[" * 100000), INPUT, ("config.json:",)),
    Case("config a folder", lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()), IO,
         ("config.json",)),
    Case("duplicate key", config_text(lambda t: t.replace(b"{", b'{"hidden_size": 32, ', 1)), INPUT,
         ("config.json:", "hidden_size")),
    Case("architectures missing", with_config(architectures=None), INPUT, ("config.json", "architectures")),
    Case("architectures empty", with_config(architectures=[]), INPUT, ("config.json:2", "architectures")),
    Case("architectures a number", with_config(architectures=7), INPUT, ("config.json:2", "architectures")),
    Case("architectures unknown", with_config(architectures=["NoSuchForCausalLM"]), UNSUPPORTED,
         ("config.json:", "NoSuchForCausalLM")),
    Case("hidden_size missing", with_config(hidden_size=None), INPUT, ("config.json:", "hidden_size")),
    Case("hidden_size a text", with_config(hidden_size="64"), INPUT, ("config.json:", "hidden_size")),
    Case("hidden_size null", config_text(lambda t: t.replace(b'"hidden_size": 64', b'"hidden_size": null')), INPUT,
         ("hidden_size",)),
    Case("hidden_size 64.5", with_config(hidden_size=64.5), INPUT, ("config.json:", "hidden_size")),
    Case("hidden_size 10^12", with_config(hidden_size=10**12), (INPUT, UNSUPPORTED), ("1000000000000",)),
    Case("hidden_size 10^30", with_config(hidden_size=10**30), INPUT, ("config.json:",)),
    Case("hidden_size 0", with_config(hidden_size=0), INPUT, ("config.json:|archs/",)),
    Case("hidden_size -64", with_config(hidden_size=-64), INPUT, ("config.json:|archs/",)),
    Case("layers 10^9", with_config(num_hidden_layers=10**9), (INPUT, UNSUPPORTED), ("layers",)),
    Case("layers 0", with_config(num_hidden_layers=0), INPUT, ("layers",)),
    Case("layers -1", with_config(num_hidden_layers=-1), INPUT, ("layers",)),
    Case("one layer more", with_config(num_hidden_layers=3), INPUT, ("model.layers.2.",)),
    Case("one layer less", with_config(num_hidden_layers=1), UNSUPPORTED, ("model.layers.1.",)),
    Case("heads 0", with_config(num_attention_heads=0), INPUT, ("config.json:", "heads")),
    Case("heads 3 of 2 kv", with_config(num_attention_heads=3), UNSUPPORTED, ("config.json:", "num_key_value_heads")),
    Case("kv heads 0", with_config(num_key_value_heads=0), INPUT, ("config.json:", "positive")),
    Case("head_dim odd", with_config(head_dim=15), (INPUT, UNSUPPORTED), ("15|60",)),
    Case("head_dim -16", with_config(head_dim=-16), (INPUT, UNSUPPORTED), ("-64|-16",)),
    Case("vocabulary 0", with_config(vocab_size=0), INPUT, ("vocab",)),
    Case("vocabulary of 2^40", with_config(vocab_size=2**40), INPUT, ("1099511627776",)),
    Case("context 0", with_config(max_position_embeddings=0), INPUT, ("context",)),
    Case("context -5", with_config(max_position_embeddings=-5), INPUT, ("context",)),
    Case("context of 2^60", with_config(max_position_embeddings=2**60), INPUT, ("context",)),
    Case("eps a text", with_config(rms_norm_eps="small"), INPUT, ("config.json:", "small")),
    Case("eps negative", with_config(rms_norm_eps=-1.0), UNSUPPORTED, ("config.json:", "eps")),
    Case("rope_theta 0", with_config(rope_theta=0), INPUT, ("rope",)),
    Case("rope_theta negative", with_config(rope_theta=-10.0), INPUT, ("rope",)),
    Case("rope type unknown", with_config(rope_scaling={"rope_type": "spiral", "factor": 2.0}),
         (INPUT, UNSUPPORTED), ("spiral|rope",)),
    Case("rope factor 0", with_config(rope_scaling={"rope_type": "linear", "factor": 0}), (INPUT, UNSUPPORTED),
         ("factor|rope_scale",)),
    Case("activation unknown", with_config(hidden_act="wobble"), (INPUT, UNSUPPORTED), ("wobble",)),
    Case("tie a text", with_config(tie_word_embeddings="yes"), INPUT, ("tie_word_embeddings",)),
    Case("untied without a head", with_config(tie_word_embeddings=False), INPUT, ("lm_head",)),
    Case("quantised otherwise", with_config(quantization_config={"quant_method": "squeeze", "bits": 3}),
         UNSUPPORTED, ("quant",)),
]

TENSOR_CASES = [
    Case("tensors missing", lambda f: (f / "model.safetensors").unlink(), IO, ("model.safetensors",)),
    Case("one tensor missing", with_tensors(lambda t: t.pop(Q0)), INPUT, (Q0,)),
    Case("one tensor too many", with_tensors(lambda t: t.update({"model.extra.weight": t[EMBED]})), UNSUPPORTED,
         ("model.extra.weight",)),
    Case("tensor too narrow", retype(Q0, "BF16", [64, 32], random_bf16(64 * 32)), INPUT, (Q0,)),
    Case("tensor of rank 3", retype(Q0, "BF16", [64, 8, 8], random_bf16(4096)), INPUT, (Q0,)),
    Case("tensor of integers", retype(Q0, "I64", [64, 64], bytes(8 * 4096)), UNSUPPORTED, (Q0, "I64")),
    Case("matrix for a norm", retype("model.norm.weight", "BF16", [64, 64], random_bf16(4096)), INPUT,
         ("model.norm.weight",)),
    Case("embedding one row short", retype(EMBED, "BF16", [127, 64], random_bf16(127 * 64)), INPUT, (EMBED,)),
    Case("no number with int8", with_tensors(not_a_number), INPUT, ("l0.wq|q_proj",), ("--weights", "int8")),
    Case("file empty", file_bytes("model.safetensors", lambda t: b""), INPUT, ("model.safetensors",)),
    Case("file of 7 bytes", file_bytes("model.safetensors", lambda t: t[:7]), INPUT, ("model.safetensors",)),
    Case("header of 2^63", file_bytes("model.safetensors", lambda t: struct.pack("<Q", 1 << 63) + t[8:]), INPUT,
         ("model.safetensors",)),
    Case("file cut", file_bytes("model.safetensors", lambda t: t[:-2]), INPUT, ("model.safetensors",)),
    Case("file too long", file_bytes("model.safetensors", lambda t: t + bytes(2)), INPUT, ("model.safetensors",)),
    Case("header is noise", file_bytes("model.safetensors", lambda t: t[:8] + b"#" * 100 + t[108:]), INPUT,
         ("model.safetensors",)),
    Case("offsets backwards", set_row(Q0, data_offsets=[10, 2]), INPUT, ("model.safetensors", Q0)),
    Case("offsets negative", set_row(Q0, data_offsets=[-8192, 0]), INPUT, ("model.safetensors",)),
    Case("offsets outside", set_row(Q0, data_offsets=[2**62, 2**62 + 8192]), INPUT, ("model.safetensors", Q0)),
    Case("offsets of another tensor", set_row(Q0, data_offsets=[0, 8192]), INPUT, ("model.safetensors",)),
    Case("dims overflow", set_row(Q0, shape=[2**40, 2**40]), INPUT, ("model.safetensors", Q0)),
    Case("dim negative", set_row(Q0, shape=[-64, -64]), INPUT, ("model.safetensors",)),
    Case("dim 0", set_row(Q0, shape=[0, 64]), INPUT, ("model.safetensors", Q0)),
    Case("dtype unknown", set_row(Q0, dtype="F7"), (INPUT, UNSUPPORTED), ("F7",)),
    Case("tensor named twice", with_header(
        lambda h: json.dumps(h).encode().replace(b'"model.norm.weight"', b'"' + Q0.encode() + b'"')), INPUT, (Q0,)),
    Case("shard missing", sharded(["model-1.safetensors", "model-2.safetensors"]), (INPUT, IO),
         ("model-2.safetensors",)),
    Case("index an array", sharded(["model-1.safetensors"], []), INPUT, ("index.json",)),
    Case("index empty", sharded(["model-1.safetensors"], {"weight_map": {}}), INPUT, ("index.json",)),
    Case("index out of the folder", sharded(["model-1.safetensors"], {"weight_map": {Q0: "../../etc/passwd"}}), INPUT,
         ("index.json",)),
    Case("index of a missing tensor", sharded(["model-1.safetensors"], {"weight_map": {
        "model.none.weight": "model-1.safetensors"}}), INPUT, ("model-1.safetensors|model.none.weight",)),
    Case("tokenizer broken", file_bytes("tokenizer.json", lambda t: b'{"model": {'), INPUT, ("tokenizer.json:",)),
    Case("tokenizer empty", file_bytes("tokenizer.json", lambda t: b""), INPUT, ("tokenizer.json",)),
    Case("tokenizer without model", file_bytes("tokenizer.json", lambda t: b"{}"), INPUT, ("tokenizer.json:",)),
    Case("tokenizer of another kind", file_bytes("tokenizer.json", lambda t: b'{"model": {"type": "Soup"}}'),
         (INPUT, UNSUPPORTED), ("tokenizer.json:", "Soup")),
    Case("tokenizer_config broken", lambda f: (shutil.copy(
        ROOT / "tests/fixtures/tokenizers/bytes/tokenizer.json", f), (f / "tokenizer_config.json").write_text("{")),
        INPUT, ("tokenizer_config.json:",)),
    Case("generation_config broken", file_bytes("generation_config.json", lambda t: b"{]"), INPUT,
         ("generation_config.json:",)),
]


def unreadable(name):
    def edit(folder):
        (folder / name).chmod(0)
    return edit


PATH_CASES = [
    Case("no such folder", nothing, IO, ("nowhere",), model="nowhere"),
    Case("model is a file", nothing, USAGE, ("config.json", "folder"), model="model/config.json"),
    Case("model is empty text", nothing, IO, ("''",), model=""),
    Case("model is a device", nothing, (USAGE, IO), ("/dev/null",), model="/dev/null"),
    Case("output folder missing", nothing, IO, ("none/x.plan",), output="none/x.plan"),
    Case("output is a folder", nothing, IO, ("out",), output="out"),
    Case("output is a device", nothing, IO, ("/dev/full",), output="/dev/full"),
    Case("output is empty text", nothing, USAGE, ("-o",), output=""),
    Case("output below a file", nothing, IO, ("config.json",), output="model/config.json/x.plan"),
    Case("output is an input", nothing, USAGE, ("model.safetensors", "no plan"), FAST,
         output="model/model.safetensors"),
    Case("target of a GPU that nobody made", nothing, UNSUPPORTED, ("cuda:sm_99",), ("--target", "cuda:sm_99")),
    Case("weights that one of two devices reads", nothing, UNSUPPORTED, ("cuda", "q8g32"),
         ("--weights", "int8", "--target", "cpu,cuda:sm_80")),
    Case("target unknown", nothing, USAGE, ("abacus",), ("--target", "abacus")),
    Case("target empty", nothing, USAGE, ("target",), ("--target", "cpu,,cpu")),
    Case("weights int4", nothing, UNSUPPORTED, ("int4",), ("--weights", "int4")),
    Case("weights unknown", nothing, (USAGE, UNSUPPORTED), ("f31",), ("--weights", "f31")),
    Case("kv unknown", nothing, UNSUPPORTED, ("q8",), ("--kv", "q8")),
    Case("jobs 0", nothing, USAGE, ("jobs",), ("--jobs", "0")),
    Case("jobs a text", nothing, USAGE, ("jobs",), ("--jobs", "many")),
    Case("option unknown", nothing, USAGE, ("--fast",), ("--fast", "1")),
    Case("value missing", nothing, USAGE, ("--jobs",), ("--jobs",)),
    Case("two models", nothing, USAGE, ("other",), ("other",)),
    Case("arch missing", nothing, IO, ("none.yaml",), ("--arch", "none.yaml")),
    Case("arch is no YAML", nothing, INPUT, ("config.json",), ("--arch", "model/config.json")),
    Case("skeleton of a folder", nothing, (USAGE, IO), ("model",), ("--skeleton",)),
]

# Only for others than root, who may read everything.
PERMISSION_CASES = [
    Case("config unreadable", unreadable("config.json"), IO, ("config.json", "denied")),
    Case("tensors unreadable", unreadable("model.safetensors"), IO, ("model.safetensors", "denied")),
    Case("folder unreadable", lambda f: f.chmod(0), IO, ("model", "denied")),
    Case("output folder read-only", lambda f: (f.parent / "out").chmod(0o500), IO, ("out/x.plan", "denied")),
]


def wait(process):
    """(exit code, peak RSS in MiB); -9 after SECONDS_MAX."""
    timer = threading.Timer(SECONDS_MAX * (10 if SANITIZED else 1), process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024


class Builder:
    """Runs cases in folders of their own; as `user` if one is given (a test run by root has other rights)."""

    def __init__(self, tlmc, work, user=None):
        self.tlmc, self.work, self.user, self.slowest, self.largest = tlmc, Path(work), user, 0.0, 0.0

    def prepare(self, case):
        folder = self.work / case.name.replace(" ", "-").replace("^", "")
        write_model(folder / "model", SHAPE)
        (folder / "out").mkdir()
        if self.user:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, self.user, self.user)
        case.edit(folder / "model")
        return folder

    def build(self, case, folder):
        command = [self.tlmc, "build", case.model, "-o", case.output, *FAST, *case.options]
        with open(folder.parent / "stdout", "w+b") as out, open(folder.parent / "stderr", "w+b") as err:
            begin = time.monotonic()
            process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                       user=self.user)
            code, rss = wait(process)
            self.slowest, self.largest = max(self.slowest, time.monotonic() - begin), max(self.largest, rss)
            out.seek(0), err.seek(0)
            return code, rss, out.read(), err.read().decode("utf8", "replace")

    def faults(self, case, folder, before):
        code, rss, out, err = self.build(case, folder)
        if code not in (case.codes if isinstance(case.codes, tuple) else (case.codes,)):
            yield f"exit {code}, expected {case.codes}"
        if out:
            yield f"stdout has {out[:80]!r}"
        if rss > RSS_MIB_MAX and not SANITIZED:
            yield f"{rss:.0f} MiB, limit {RSS_MIB_MAX}"
        errors = [line for line in err.splitlines() if "error:" in line]
        if not 1 <= len(errors) <= ERRORS_MAX:
            yield f"{len(errors)} errors"
        for words in case.words:
            if not any(word in err for word in words.split("|")):
                yield f"no {words!r}"
        left = files_of(folder) - before
        if left:
            yield f"left {sorted(left)}"
        self.said = err

    def run(self, case, show):
        folder = self.prepare(case)
        before = files_of(folder)
        faults = list(self.faults(case, folder, before))
        if show or faults:
            print(f"-- {case.name}: {'; '.join(faults) or 'as expected'}\n{self.said.strip()[:1500]}", flush=True)
        for path in (folder, folder / "model", folder / "out"):
            path.chmod(0o700)
        shutil.rmtree(folder)
        return bool(faults)


def files_of(folder):
    """Names and contents' sizes below a folder; what cannot be looked at is not there."""
    found = set()
    for path in folder.rglob("*"):
        try:
            found.add((str(path.relative_to(folder)), path.stat().st_size if path.is_file() else -1))
        except PermissionError:
            pass
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases (default: all)")
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    cases = [c for c in CONFIG_CASES + TENSOR_CASES + PATH_CASES if not options.names or c.name in options.names]
    guarded = [c for c in PERMISSION_CASES if not options.names or c.name in options.names]
    with tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o755)
        builder = Builder(find_program(options.build, "tlmc"), work)
        bad = sum(builder.run(case, options.show) for case in cases)
        if os.getuid() == 0:    # a user who may not see the build's folder
            builder.tlmc, builder.user = Path(shutil.copy(builder.tlmc, work)), 65534
        bad += sum(builder.run(case, options.show) for case in guarded)
        print(f"slowest {builder.slowest:.1f} s, largest {builder.largest:.0f} MiB")
    print(f"bad models: {len(cases) + len(guarded)} cases, {bad} faults")
    if bad:
        raise Failed(f"{bad} cases")
    return 0


if __name__ == "__main__":
    sys.exit(run_test(main))

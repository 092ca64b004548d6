#!/usr/bin/env python3
"""What is refused and in which words: configs, checkpoints and descriptions with one fault each.

    faults_test.py [--build DIR]        TLMC_BLESS=1 rewrites faults.txt, every exit code and message

A config is a golden one with a key changed, checked by `tlmc arch check`; a checkpoint is a small random one or one
of tests/fixtures/tiny with a tensor changed, a description a built-in one with a text replaced, both lowered by
`tlmc dump`. Needs the standard library only.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from tools import find_program, read_header, run_test  # noqa: E402

sys.path.insert(0, str(ROOT / "tests" / "lib"))
from models import Shape, Tensor, config, model_tensors, write_safetensors  # noqa: E402

FAULTS = Path(__file__).with_name("faults.txt")
TINY = ROOT / "tests" / "fixtures" / "tiny"
SECONDS_MAX = 60
ABSENT = object()

# (golden config, description, its keys changed; "a.b.0" is a key within others or an item)
LLAMA, QWEN2, GEMMA3 = ("llama_long", "llama"), ("qwen2_window", "qwen2"), ("gemma3", "gemma3")
BERT, DEEPSEEK = ("bert", "bert"), ("deepseek_v3", "deepseek_v3")
MISTRAL, MIXTRAL, NEMOTRON = ("mistral", "mistral"), ("mixtral", "mixtral"), ("nemotron", "nemotron")
QWEN3, QWEN3_MOE, PRM = ("qwen3", "qwen3"), ("qwen3_moe", "qwen3_moe"), ("qwen2_prm", "qwen2_prm")
MLLAMA, LLAMA4, DECILM = ("mllama", "mllama"), ("llama4", "llama4"), ("decilm", "decilm")
LINEAR, YARN = dict(type="linear", factor=2.0), dict(type="yarn", factor=2.0)
CONFIGS = (
    (LLAMA, dict(hidden_act="mish")),
    (LLAMA, dict(hidden_akt="silu")),
    (LLAMA, dict(sliding_window=64)),
    (LLAMA, dict(attn_logit_softcapping=30.0)),
    (LLAMA, dict(quantization_config=dict(quant_method="awq", bits=4))),
    (LLAMA, dict(partial_rotary_factor=0.5)),
    (LLAMA, dict(head_dim=33)),
    (LLAMA, dict(num_attention_heads=3, num_key_value_heads=2)),
    (LLAMA, dict(num_key_value_heads=0)),
    (LLAMA, dict(num_attention_heads=0)),
    (LLAMA, dict(hidden_size=2.5)),
    (LLAMA, dict(hidden_size="96")),
    (LLAMA, dict(hidden_size=ABSENT)),
    (LLAMA, dict(vocab_size=0)),
    (LLAMA, dict(num_hidden_layers=10**9)),
    (LLAMA, dict(rms_norm_eps=-1)),
    (LLAMA, dict(rms_norm_eps="small")),
    (LLAMA, dict(rope_scaling=[1])),
    (LLAMA, dict(rope_scaling=dict(type="longrope", factor=2.0))),
    (LLAMA, dict(rope_scaling=dict(rope_type="longrope", short_factor=[1.0], long_factor=[1.0]))),
    (LLAMA, dict(rope_scaling=dict(rope_type="linear"))),
    (LLAMA, dict(rope_scaling=dict(rope_type="linear", factor=0))),
    (LLAMA, dict(rope_scaling=dict(rope_type="linear", factor="two"))),
    (LLAMA, dict(rope_scaling=dict(rope_type="linear", type="yarn", factor=2.0))),
    (LLAMA, dict(rope_scaling=dict(rope_type="yarn", factor=2.0, betafast=1))),
    (LLAMA, dict(rope_scaling=dict(rope_type="llama3", factor=2.0))),
    (LLAMA, dict(rope_scaling=dict(rope_type="linear", factor=2.0), rope_parameters=dict(rope_type="default"))),
    (LLAMA, dict(rope_scaling=YARN | dict(original_max_position_embeddings=0))),
    (LLAMA, dict(rope_scaling=YARN | dict(attention_factor="large"))),
    (LLAMA, dict(eos_token_id="</s>")),
    (LLAMA, dict(eos_token_id=[2, "</s>"])),
    (QWEN2, dict(use_mrope=True)),
    (QWEN2, dict(use_sliding_window="true")),
    (QWEN2, dict(attention_bias=True)),
    (QWEN2, dict(sliding_window=0)),
    (QWEN2, dict(sliding_window=None)),
    (QWEN2, dict(layer_types=["full_attention"])),
    (QWEN2, dict(layer_types=["full_attention", "chunked_attention"])),
    (QWEN2, dict(rope_scaling=dict(type="mrope", mrope_section=[8, 4, 4]))),
    (GEMMA3, dict(hidden_activation="mish")),
    (GEMMA3, dict(use_bidirectional_attention=True)),
    (GEMMA3, dict(altup_num_inputs=4)),
    (GEMMA3, dict(query_pre_attn_scalar=0)),
    (GEMMA3, dict(final_logit_softcapping=-3)),
    (GEMMA3, dict(sliding_window_pattern=0)),
    (GEMMA3, dict(sliding_window=0)),
    (GEMMA3, dict(layer_types=["linear_attention", "full_attention"])),
    (BERT, dict(position_embedding_type="relative_key")),
    (BERT, dict(is_decoder=True)),
    (BERT, dict(hidden_size=97)),
    (BERT, dict(num_attention_heads=0)),
    (BERT, dict(id2label={})),
    (BERT, dict(pruned_heads={"0": [1]})),
    (DEEPSEEK, dict(scoring_func="softmax")),
    (DEEPSEEK, dict(topk_method="greedy")),
    (DEEPSEEK, dict(n_group=3)),
    (DEEPSEEK, dict(topk_group=9)),
    (DEEPSEEK, dict(n_shared_experts=0)),
    (DEEPSEEK, dict(quantization_config=dict(quant_method="fp8", weight_block_size=[0, 0]))),
    (DEEPSEEK, dict(num_experts_per_tok=1000)),
    (DEEPSEEK, dict(moe_layer_freq=2)),
    (DEEPSEEK, dict(num_key_value_heads=1)),
    (DEEPSEEK, dict(qk_rope_head_dim=7)),
    (DEEPSEEK, dict(quantization_config=dict(quant_method="gptq"))),
    (DEEPSEEK, dict(quantization_config=dict(quant_method="fp8", weight_block_size=[128, 64]))),
    (MISTRAL, dict(sliding_window=0)),
    (MISTRAL, dict(sliding_window="all")),
    (MISTRAL, dict(num_attention_heads=5)),
    (MISTRAL, dict(num_key_value_heads=4)),
    (MISTRAL, dict(layer_types=["full_attention", "sliding_attention"])),
    (MISTRAL, dict(attention_bias=True)),
    (MIXTRAL, dict(num_local_experts=0)),
    (MIXTRAL, dict(num_local_experts="8")),
    (MIXTRAL, dict(num_experts_per_tok=5)),
    (MIXTRAL, dict(num_experts_per_tok=0)),
    (MIXTRAL, dict(sliding_window=-1)),
    (MIXTRAL, dict(shared_expert_intermediate_size=64)),
    (NEMOTRON, dict(partial_rotary_factor=0)),
    (NEMOTRON, dict(partial_rotary_factor=0.01)),
    (NEMOTRON, dict(partial_rotary_factor=1.5)),
    (NEMOTRON, dict(rope_percent=0.25)),
    (NEMOTRON, dict(hidden_act="squared_relu")),
    (NEMOTRON, dict(norm_eps=None, rms_norm_eps=1e-5)),
    (QWEN3, dict(layer_types=["full_attention"])),
    (QWEN3, dict(layer_types=["full_attention", "linear_attention"])),
    (QWEN3, dict(layer_types="full_attention")),
    (QWEN3, dict(sliding_window=-8)),
    (QWEN3, dict(head_dim=0)),
    (QWEN3, dict(rope_scaling=dict(rope_type="su", factor=2.0))),
    (QWEN3, dict(rope_scaling=LINEAR | dict(original_max_position=64))),
    (QWEN3_MOE, dict(num_local_experts=8)),
    (QWEN3_MOE, dict(decoder_sparse_step=0)),
    (QWEN3_MOE, dict(mlp_only_layers=3)),
    (QWEN3_MOE, dict(num_experts_per_tok=7)),
    (QWEN3_MOE, dict(n_shared_experts=1)),
    (MLLAMA, {"text_config.cross_attention_layers": 3}),
    (MLLAMA, {"text_config.rope_scaling": dict(rope_type="mrope", mrope_section=[8, 4, 4])}),
    (MLLAMA, {"text_config.num_key_value_heads": 3}),
    (MLLAMA, {"text_config.attention_bias": True}),
    (MLLAMA, {"text_config.hidden_size": "64"}),
    (LLAMA4, {"text_config.num_experts_per_tok": 5}),
    (LLAMA4, {"text_config.no_rope_layers": [1]}),
    (LLAMA4, {"text_config.layer_types": ["full_attention"]}),
    (LLAMA4, {"text_config.layer_types": ["sliding_attention", "full_attention"]}),
    (LLAMA4, {"text_config.attention_chunk_size": None}),
    (LLAMA4, {"text_config.interleave_moe_layer_step": 0}),
    (LLAMA4, {"text_config.floor_scale": 0}),
    (LLAMA4, {"text_config.attn_temperature_tuning": "yes"}),
    (LLAMA4, {"text_config.moe_layers": 2}),
    (DECILM, dict(block_configs=None)),
    (DECILM, dict(num_key_value_heads_per_layer=[1, 1, 1, 1])),
    (DECILM, dict(num_hidden_layers=5)),
    (DECILM, dict(block_configs=None, num_key_value_heads_per_layer=[1, 2])),
    (DECILM, {"block_configs.0.attention.window_length": 64}),
    (DECILM, {"block_configs.1.ffn.sparsify": ["2:4"]}),
    (DECILM, {"block_configs.0.attention.n_heads_in_group": 3}),
    (DECILM, {"block_configs.0.attention.n_heads_in_group": None}),
    (DECILM, {"block_configs.1.ffn.ffn_mult": None}),
    (DECILM, {"block_configs.1.ffn.ffn_mult": -2}),
    (DECILM, {"block_configs.0.attention.is_mamba": True}),
    (DECILM, dict(rope_scaling=dict(type="longrope", factor=2.0))),
    (PRM, dict(num_hidden_layers=0)),
)


def rename(tensors, old, new):
    tensors[new] = tensors.pop(old)


def reshape(tensors, name, shape):
    tensors[name] = Tensor("BF16", shape, tensors[name].data)


LAYER0 = "model.layers.0."
CHECKPOINTS = {
    "missing tensor": lambda t: t.pop(LAYER0 + "mlp.up_proj.weight"),
    "misspelt tensor": lambda t: rename(t, LAYER0 + "self_attn.q_proj.weight", LAYER0 + "self_attn.q_porj.weight"),
    "left-over tensor": lambda t: t.update({LAYER0 + "self_attn.q_norm.weight": Tensor("BF16", [16], bytes(32))}),
    "left-over layer": lambda t: t.update({"model.layers.9.input_layernorm.weight": Tensor("BF16", [64], bytes(128))}),
    "six left-over tensors": lambda t: t.update({f"x.{i}": Tensor("BF16", [1], bytes(2)) for i in range(6)}),
    "transposed tensor": lambda t: reshape(t, LAYER0 + "mlp.up_proj.weight", [64, 96]),
    "flat tensor": lambda t: reshape(t, "model.embed_tokens.weight", [128 * 64]),
    "integers": lambda t: t.update({LAYER0 + "mlp.up_proj.weight": Tensor("I32", [96, 64], bytes(4 * 96 * 64))}),
    "numbers of 64 bits": lambda t: t.update(
        {LAYER0 + "mlp.up_proj.weight": Tensor("F64", [96, 64], bytes(8 * 96 * 64))}),
    "bias the config knows nothing of": lambda t: t.update(
        {LAYER0 + "self_attn.q_proj.bias": Tensor("BF16", [64], bytes(128))}),
}

def without_file(folder, name):
    (folder / name).unlink()


def index_says(folder, tensor, file):
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"][tensor] = file
    path.write_text(json.dumps(index))


def cut(tensors, name, rows):
    """The first rows only."""
    whole = tensors[name]
    size = len(whole.data) // whole.shape[0] * rows
    tensors[name] = Tensor(whole.dtype, [rows, *whole.shape[1:]], whole.data[:size])


def copy_of(tensors, name, other):
    tensors[other] = tensors[name]


MOE, DENSE = LAYER0 + "block_sparse_moe.experts.", LAYER0 + "mlp."
SCOUT = "language_model." + LAYER0 + "feed_forward.experts."
# (a folder of tests/fixtures/tiny, what, how its tensors are changed)
TINY_CHECKPOINTS = (
    ("mixtral-top2", "an expert lacks a matrix", lambda t: t.pop(MOE + "2.w3.weight")),
    ("mixtral-top2", "an expert is smaller", lambda t: cut(t, MOE + "1.w1.weight", 40)),
    ("mixtral-top2", "one expert too many", lambda t: copy_of(t, MOE + "3.w1.weight", MOE + "4.w1.weight")),
    ("mixtral-top2", "router of other experts", lambda t: cut(t, LAYER0 + "block_sparse_moe.gate.weight", 3)),
    ("qwen3-moe-normed", "a dense layer where experts are expected",
     lambda t: [t.pop(n) for n in list(t) if n.startswith(DENSE + "experts.")]),
    ("qwen3-heads", "no norm of k", lambda t: t.pop(LAYER0 + "self_attn.k_norm.weight")),
    ("nemotron-half", "a norm lacks its bias", lambda t: t.pop(LAYER0 + "input_layernorm.bias")),
    ("nemotron-half", "a gate", lambda t: copy_of(t, DENSE + "up_proj.weight", DENSE + "gate_proj.weight")),
    ("llama4-scout", "experts of one matrix each",
     lambda t: rename(t, SCOUT + "gate_up_proj", SCOUT + "0.gate_proj.weight")),
    ("llama4-scout", "experts that are not transposed",
     lambda t: reshape(t, SCOUT + "down_proj", [4, 64, 36])),
    ("mllama-llama3", "no head", lambda t: t.pop("language_model.lm_head.weight")),
    ("mllama-llama3", "an embedding of as many rows as the head",
     lambda t: cut(t, "language_model.model.embed_tokens.weight", 115)),
    ("mllama-llama3", "an unknown prefix",
     lambda t: [rename(t, n, "llm." + n) for n in list(t) if n.startswith("language_model.")]),
    ("decilm-blocks", "attention where none is said",
     lambda t: copy_of(t, LAYER0 + "self_attn.q_proj.weight", "model.layers.1.self_attn.q_proj.weight")),
    ("decilm-blocks", "no linear attention", lambda t: t.pop("model.layers.4.self_attn.linear_attn.weight")),
    ("decilm-key-heads", "other key heads", lambda t: cut(t, LAYER0 + "self_attn.k_proj.weight", 32)),
    ("qwen2-prm", "no second layer of scores", lambda t: t.pop("score.2.weight")),
    ("qwen2-prm", "scores of another number", lambda t: cut(t, "score.2.weight", 1)),
    ("qwen2-rm", "a head of another kind", lambda t: rename(t, "score.0.weight", "v_head.summary.weight")),
)

# (a folder of tests/fixtures/tiny with several files, what, how the folder is changed)
FOLDERS = (
    ("mixtral-window-sharded", "a file of the index is absent",
     lambda f: without_file(f, "model-00002-of-00003.safetensors")),
    ("mixtral-window-sharded", "the index names a file that is nowhere",
     lambda f: index_says(f, "lm_head.weight", "model-00004-of-00003.safetensors")),
    ("mixtral-window-sharded", "the index names the wrong file",
     lambda f: index_says(f, "lm_head.weight", "model-00002-of-00003.safetensors")),
)

# (a folder of tests/fixtures/tiny, what, a file of settings, its key, what it is then)
SETTINGS = (
    ("deepseek-v3-plain", "a scale that is a text", "config.json", "routed_scaling_factor", "2"),
    ("deepseek-v3-fp8", "blocks of another size", "config.json", "quantization_config.weight_block_size", [64, 64]),
    ("qwen2-window", "an end that is a text", "generation_config.json", "eos_token_id", "</s>"),
    ("qwen2-window", "ends that are texts", "generation_config.json", "eos_token_id", [2, "</s>"]),
)

# (what, text replaced in llama.yaml, by what; None: it and all behind it is cut)
DESCRIPTIONS = (
    ("unknown section", "params:\n", "parms:\n"),
    ("section of another form", "about: decoder", "about: [decoder]\nx: decoder"),
    ("not YAML", "params:\n", "params: [\n"),
    ("tab", "  layers: config", "\tlayers: config"),
    ("key twice", "  width: config.hidden_size\n", "  width: config.hidden_size\n  width: 3\n"),
    ("anchor", "  width: config.hidden_size", "  width: &w config.hidden_size"),
    ("cycle of parameters", "  inner: config.intermediate_size", "  inner: width * more\n  more: inner // width"),
    ("unknown function", "width // heads", "hlaf(width)"),
    ("unknown name", "config.rms_norm_eps ?? 1e-6", "config.rms_norm_eps + epsilon"),
    ("unfinished expression", "width // heads", "width //"),
    ("unknown block", "    use mlp\n", "    use mpl\n"),
    ("unclosed loop", "    use mlp\n  }\n", "    use mlp\n"),
    ("unknown op", "%h = embed %ids, @embed", "%h = embd %ids, @embed"),
    ("unknown weight", "%h = embed %ids, @embed", "%h = embed %ids, @embedding"),
    ("unknown value", "%h = embed %ids, @embed", "%h = embed %id, @embed"),
    ("unknown attribute", "%h = embed %ids, @embed", "%h = embed %ids, @embed {scale=2}"),
    ("weight without shape", "ignore:\n", "weights:\n  head: {from: lm_head.weight}\n\nignore:\n"),
    ("unknown file", "include: [common", "include: [comon"),
    ("no graph", "graph: |", None),
    ("unknown task", "task: generate", "task: translate"),
)

# With a model of tests/fixtures/tiny: its name, the built-in description, what is wrong, the text and what replaces it.
DESCRIPTIONS_OF_TINY = (
    ("mixtral-top2", "mixtral", "a stack of no experts", "stack({experts}", "stack({i}"),
)


def messages(stderr):
    """Errors and notes without the source lines under them; lines of descriptions move, so they have no numbers."""
    lines = [line for line in stderr.splitlines() if not re.match(r"\s*\d* \|", line)]
    return [re.sub(r"(archs/[a-z0-9_/]*\.yaml)(:\d+)+", r"\1", line) for line in lines]


def change(keys, path, value):
    *above, last = path.split(".")
    for key in above:
        keys = keys[int(key) if isinstance(keys, list) else key]
    if value is ABSENT:
        del keys[last]
    else:
        keys[last] = value


def read_tensors(path):
    data = path.read_bytes()
    return {name: Tensor(entry.dtype, list(entry.shape), data[entry.offset:entry.offset + entry.size])
            for name, entry in read_header(path).items()}


class Runner:
    def __init__(self, tlmc, folder):
        self.tlmc, self.folder, self.lines = tlmc, Path(folder), []
        (self.folder / "archs").symlink_to(ROOT / "archs")

    def run(self, title, *arguments):
        done = subprocess.run([self.tlmc, *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=SECONDS_MAX, check=False)
        self.lines += [f"== {title}", f"exit {done.returncode}", *messages(done.stderr), ""]

    def write_config(self, keys, path):
        (self.folder / path).write_text(json.dumps(keys, indent=1) + "\n")

    def check_config(self, model, changes):
        keys = json.loads((ROOT / "tests" / "archs" / "golden" / f"{model[0]}.json").read_text())
        for key, value in changes.items():
            change(keys, key, value)
        self.write_config(keys, "config.json")
        said = ", ".join(f"{k} {'absent' if v is ABSENT else json.dumps(v)}" for k, v in changes.items())
        self.run(f"{model[1]}: {said}", "arch", "check", f"archs/{model[1]}.yaml", "--config", "config.json")

    def check_checkpoint(self, title, change):
        shape, folder = Shape(layers=1), self.folder / "model"
        folder.mkdir(exist_ok=True)
        tensors = model_tensors(shape)
        change(tensors)
        self.write_config(config(shape), "model/config.json")
        write_safetensors(folder / "model.safetensors", tensors)
        self.run(title, "dump", "model")

    def link_tiny(self, name):
        folder = self.folder / "tiny"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(TINY / name, folder)
        (folder / "config.hub.json").replace(folder / "config.json")
        (folder / "expected.safetensors").unlink()
        return folder

    def check_tiny(self, name, what, change_tensors):
        path = self.link_tiny(name) / "model.safetensors"
        tensors = read_tensors(path)
        change_tensors(tensors)
        write_safetensors(path, tensors)
        self.run(f"{name}: {what}", "dump", "tiny")

    def check_folder(self, name, what, change_folder):
        change_folder(self.link_tiny(name))
        self.run(f"{name}: {what}", "dump", "tiny")

    def check_settings(self, name, what, file, key, value):
        path = self.link_tiny(name) / file
        keys = json.loads(path.read_text()) if path.exists() else {}
        change(keys, key, value)
        self.write_config(keys, path)
        self.run(f"{name}: {what}", "dump", "tiny")

    def describe(self, name, old, new):
        text = (ROOT / "archs" / f"{name}.yaml").read_text()
        if old not in text:
            raise ValueError(f"archs/{name}.yaml has no {old!r}")
        changed = text[:text.index(old)] if new is None else text.replace(old, new, 1)
        (self.folder / "arch.yaml").write_text(changed)

    def check_description_of_tiny(self, name, described, what, old, new):
        self.link_tiny(name)
        self.describe(described, old, new)
        self.run(f"{name}: {what}", "dump", "--arch", "arch.yaml", "tiny")

    def check_description(self, title, old, new):
        self.describe("llama", old, new)
        self.write_config(config(Shape(layers=1)), "config.json")
        self.run(title, "dump", "--arch", "arch.yaml", "--skeleton", "config.json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    tlmc = find_program(parser.parse_args().build, "tlmc")
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(tlmc, folder)
        for model, changes in CONFIGS:
            runner.check_config(model, changes)
        for title, change in CHECKPOINTS.items():
            runner.check_checkpoint(title, change)
        for name, what, change_tensors in TINY_CHECKPOINTS:
            runner.check_tiny(name, what, change_tensors)
        for name, what, change_folder in FOLDERS:
            runner.check_folder(name, what, change_folder)
        for case in SETTINGS:
            runner.check_settings(*case)
        for title, old, new in DESCRIPTIONS:
            runner.check_description(title, old, new)
        for case in DESCRIPTIONS_OF_TINY:
            runner.check_description_of_tiny(*case)
    found = "\n".join(runner.lines)
    if os.environ.get("TLMC_BLESS"):
        FAULTS.write_text(found)
    wanted = FAULTS.read_text()
    print(f"{found.count('== ')} faults")
    if found == wanted:
        return 0
    for case, other in zip(found.split("== "), wanted.split("== ")):
        if case != other:
            print(f"found:\n{case}expected:\n{other}")
    print("TLMC_BLESS=1 rewrites faults.txt, then look at the change")
    return 1


if __name__ == "__main__":
    sys.exit(run_test(main))

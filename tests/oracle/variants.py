#!/usr/bin/env python3
"""Configurations that tests/fixtures/tiny has not, through transformers, the interpreter and compiled plans.

    variants.py [--build DIR] [--keep DIR] [--target T [--driver DIR] [--nvrtc DIR] | --interpreted] [NAME...]

For each row a tiny random model is made in a temporary folder as make_tiny.py does it. The interpreter's logits are
compared by tests/archs/interp_test, in both dialects of config.json, and those of plans as tests/e2e/tiny.py does it.
It takes some seconds a model and needs the packages of requirements.txt, so it is run by hand when a description or
a kernel changes.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import make_tiny
from tiny_models import (BERT, DECILM, DEEPSEEK, GEMMA3, LLAMA, LLAMA4, LLAMA4_TEXT, MISTRAL, MIXTRAL, MLLAMA,
                         MLLAMA_TEXT, NEMOTRON, PRM, QWEN2, QWEN3, QWEN3_MOE, RM, TinyModel, blocks, sizes)

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from tiny import Case, Fixture  # noqa: E402
from tools import Tools  # noqa: E402

BASES = {
    "llama": LLAMA | sizes(90, 64, 2, 88, 4, 2, 16),
    "qwen2": QWEN2 | sizes(90, 64, 4, 88, 4, 2),
    "gemma3": GEMMA3 | sizes(90, 64, 4, 72, 4, 2, 24) | dict(query_pre_attn_scalar=24),
    "deepseek": DEEPSEEK | sizes(90, 72, 2, 100, 4, 4) | dict(
        moe_intermediate_size=20, q_lora_rank=40, v_head_dim=20, num_nextn_predict_layers=0),
    "bert": BERT | sizes(90, 64, 2, 100, 4),
    "mistral": MISTRAL | sizes(90, 64, 2, 88, 8, 2),
    "mixtral": MIXTRAL | sizes(90, 64, 2, 44, 8, 2),
    "nemotron": NEMOTRON | sizes(90, 64, 2, 88, 4, 2, 24),
    "qwen3": QWEN3 | sizes(90, 64, 4, 88, 4, 2, 24),
    "qwen3moe": QWEN3_MOE | sizes(90, 64, 3, 88, 4, 2, 24),
    "mllama": MLLAMA | dict(text_config=MLLAMA_TEXT | sizes(90, 64, 5, 88, 4, 2)),
    "llama4": LLAMA4 | dict(text_config=LLAMA4_TEXT | sizes(90, 64, 4, 36, 4, 2, 24) | dict(intermediate_size_mlp=40)),
    "decilm": DECILM | sizes(90, 64, 2, None, 4) | dict(block_configs=blocks((2, 2.625), (4, 1.3125))),
    "prm": PRM | sizes(90, 64, 2, 88, 4, 2),
    "rm": RM | sizes(90, 64, 2, 88, 4, 2),
}
STORES = {"gemma3": dict(embed=0.12, norm_center=0.0), "bert": dict(lengths=(41,)), "nemotron": dict(norm_center=0.0),
          "llama4": dict(gains={"experts.down_proj": 0.25})}
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
LLAMA3 = dict(rope_type="llama3", factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0,
              original_max_position_embeddings=128)
ABSENT = object()
ROWS = {
    "llama-yarn": dict(rope_scaling=YARN),
    "llama-yarn-attention-factor": dict(rope_scaling=YARN | dict(attention_factor=1.3, beta_fast=16, beta_slow=2)),
    "llama-yarn-mscale": dict(rope_scaling=YARN | dict(mscale=0.8, mscale_all_dim=0.5)),
    "llama-yarn-mscale-zero": dict(rope_scaling=YARN | dict(mscale=0.8, mscale_all_dim=0.0)),
    "llama-yarn-not-truncated": dict(rope_scaling=YARN | dict(truncate=False)),
    "llama-yarn-factor-null": dict(rope_scaling=YARN | dict(factor=None)),
    "llama-llama3-long": dict(rope_scaling=LLAMA3, max_position_embeddings=2048),
    "llama-rope-default": dict(rope_scaling=dict(rope_type="default")),
    "llama-dynamic": dict(rope_scaling=dict(rope_type="dynamic", factor=3.0), max_position_embeddings=120),
    "gemma3-dynamic": dict(rope_scaling=dict(rope_type="dynamic", factor=8.0), max_position_embeddings=200),
    "llama-gelu": dict(hidden_act="gelu"),
    "llama-relu2": dict(hidden_act="relu2"),
    "llama-quick-gelu": dict(hidden_act="quick_gelu"),
    "llama-odd": sizes(515, 80, 2, 352, 8, 1, 48),
    "llama-odd-5": sizes(515, 80, 2, 352, 5, 1, 48) | dict(rope_scaling=LLAMA3, tie_word_embeddings=True),
    "llama-nulls": dict(num_key_value_heads=None, head_dim=None),
    "llama-defaults": dict.fromkeys(("num_key_value_heads", "head_dim", "rope_theta", "rms_norm_eps",
                                     "tie_word_embeddings", "rope_scaling"), ABSENT),
    "qwen2-odd": sizes(515, 96, 2, 352, 6, 2, 48),
    "qwen2-odd-7": sizes(515, 80, 4, 352, 7, 1, 48) | dict(max_window_layers=2, use_sliding_window=True,
                                                           sliding_window=33),
    "qwen2-null-heads": dict(num_key_value_heads=None),
    "qwen2-yarn": dict(rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=128)),
    "qwen2-windows-from-default": dict(max_window_layers=ABSENT, use_sliding_window=True, sliding_window=40),
    "qwen2-windows-everywhere": dict(max_window_layers=0, use_sliding_window=True, sliding_window=40),
    "qwen2-layer-types": dict(use_sliding_window=True, sliding_window=40,
                              layer_types=["sliding_attention", "full_attention"] * 2),
    "qwen2-layer-types-unused": dict(use_sliding_window=False, sliding_window=40, layer_types=["full_attention"] * 4),
    "qwen2-defaults": dict.fromkeys(("sliding_window", "use_sliding_window", "max_window_layers"), ABSENT),
    "gemma3-odd": sizes(515, 96, 3, 352, 8, 2, 48) | dict(query_pre_attn_scalar=48, sliding_window_pattern=2,
                                                          final_logit_softcapping=3.0),
    "gemma3-biases": dict(attention_bias=True),
    "gemma3-layer-types": dict(layer_types=["full_attention", "sliding_attention"] * 2),
    "gemma3-untied": dict(tie_word_embeddings=False),
    "gemma3-attention-softcap": dict(attn_logit_softcapping=5.0),
    "gemma3-yarn": dict(rope_scaling=YARN),
    "gemma3-gelu": dict(hidden_activation="gelu"),
    "gemma3-defaults": dict.fromkeys(("sliding_window_pattern", "head_dim", "sliding_window", "rope_theta",
                                      "rope_local_base_freq", "rms_norm_eps", "query_pre_attn_scalar"), ABSENT),
    "deepseek-odd": sizes(515, 80, 3, 352, 5, 5) | dict(
        qk_nope_head_dim=48, qk_rope_head_dim=16, v_head_dim=40, kv_lora_rank=56, q_lora_rank=44, n_routed_experts=9,
        n_group=3, topk_group=2, num_experts_per_tok=4, moe_intermediate_size=88, n_shared_experts=2),
    "deepseek-not-normed": dict(norm_topk_prob=False),
    "deepseek-biases": dict(attention_bias=True),
    "deepseek-biases-plain-q": dict(attention_bias=True, q_lora_rank=None),
    "deepseek-no-dense-layers": dict(first_k_dense_replace=0),
    "deepseek-dense-layers": dict(first_k_dense_replace=9),
    "deepseek-rope-half": dict(rope_interleave=False),
    "deepseek-yarn": dict(rope_scaling=YARN),
    "deepseek-yarn-all-dim": dict(rope_scaling=YARN | dict(mscale_all_dim=0.7)),
    "deepseek-linear": dict(rope_scaling=dict(rope_type="linear", factor=3.0)),
    "deepseek-gelu": dict(hidden_act="gelu"),
    "deepseek-tied": dict(tie_word_embeddings=True),
    "bert-odd": sizes(515, 144, 2, 352, 3),
    "bert-relu": dict(hidden_act="relu"),
    "bert-gelu-new": dict(hidden_act="gelu_new", layer_norm_eps=1e-5),
    "bert-two-labels": dict(id2label=ABSENT, label2id=ABSENT),
    "bert-num-labels": dict(id2label=ABSENT, label2id=ABSENT, num_labels=4),
    "bert-three-types": dict(type_vocab_size=3),
    "mistral-odd": sizes(515, 80, 2, 352, 8, 8, 48) | dict(sliding_window=65),
    "mistral-defaults": dict.fromkeys(("num_key_value_heads", "sliding_window", "rms_norm_eps", "rope_theta",
                                       "max_position_embeddings", "hidden_act"), ABSENT),
    "mistral-yarn": dict(rope_scaling=YARN),
    "mistral-gelu-tied": dict(hidden_act="gelu", tie_word_embeddings=True),
    "mixtral-odd": sizes(515, 80, 2, 352, 6, 1, 48) | dict(num_local_experts=5, num_experts_per_tok=3),
    "mixtral-defaults": dict.fromkeys(("num_key_value_heads", "num_local_experts", "num_experts_per_tok",
                                       "rms_norm_eps", "rope_theta", "sliding_window"), ABSENT),
    "mixtral-all-experts": dict(num_experts_per_tok=4),
    "mixtral-one-expert": dict(num_experts_per_tok=1, tie_word_embeddings=True),
    "mixtral-linear": dict(rope_scaling=dict(type="linear", factor=3.0), sliding_window=24),
    "nemotron-odd": sizes(515, 80, 2, 352, 6, 3, 48) | dict(attention_bias=True, mlp_bias=True),
    "nemotron-defaults": dict.fromkeys(("head_dim", "partial_rotary_factor", "norm_eps",
                                        "hidden_act", "rope_theta"), ABSENT),
    "nemotron-whole-heads": dict(partial_rotary_factor=1.0),
    "nemotron-quarter": dict(partial_rotary_factor=0.25, hidden_act="gelu"),
    "nemotron-linear": dict(rope_scaling=dict(type="linear", factor=3.0)),
    "nemotron-llama3": dict(rope_scaling=LLAMA3),
    "nemotron-yarn": dict(rope_scaling=YARN),
    "qwen3-odd": sizes(515, 80, 2, 352, 8, 8, 48),
    "qwen3-null-heads": dict(num_key_value_heads=None),
    "qwen3-defaults": dict.fromkeys(("head_dim", "rms_norm_eps", "rope_theta", "attention_bias", "sliding_window",
                                     "use_sliding_window", "max_window_layers"), ABSENT),
    "qwen3-layer-types": dict(use_sliding_window=True, sliding_window=40,
                              layer_types=["full_attention", "sliding_attention"] * 2),
    "qwen3-yarn": dict(rope_scaling=YARN),
    "qwen3moe-odd": sizes(515, 80, 3, 352, 7, 1, 48) | dict(moe_intermediate_size=88, num_experts=11,
                                                            num_experts_per_tok=5, mlp_only_layers=[1]),
    "qwen3moe-local": dict(num_experts=ABSENT, num_local_experts=5),
    "qwen3moe-no-experts": dict(decoder_sparse_step=9, mlp_only_layers=None),
    "qwen3moe-all-experts": dict(num_experts_per_tok=6, norm_topk_prob=False),
    "qwen3moe-window-default": dict(use_sliding_window=True, sliding_window=ABSENT, head_dim=ABSENT),
    "mllama-odd": sizes(515, 144, 5, 352, 3, 1),
    "mllama-no-cross-layers": dict(cross_attention_layers=[]),
    "mllama-yarn": dict(rope_scaling=YARN),
    "llama4-odd": sizes(515, 80, 4, 352, 6, 2, 48) | dict(intermediate_size_mlp=352),
    "llama4-two-experts": dict(num_experts_per_tok=2),
    "llama4-all-experts": dict(num_experts_per_tok=4, interleave_moe_layer_step=2),
    "llama4-intervals": dict(no_rope_layers=ABSENT, no_rope_layer_interval=2, interleave_moe_layer_step=3),
    "llama4-moe-layers": dict(moe_layers=[0, 3], tie_word_embeddings=False),
    "llama4-layer-types": dict(no_rope_layers=[1, 1, 0, 0], layer_types=["chunked_attention", "full_attention"] * 2),
    "llama4-defaults": dict.fromkeys(("no_rope_layers", "attn_temperature_tuning", "use_qk_norm", "attn_scale",
                                      "floor_scale", "attention_chunk_size", "rms_norm_eps", "rope_theta",
                                      "head_dim", "interleave_moe_layer_step", "num_experts_per_tok"), ABSENT),
    "llama4-yarn": dict(rope_scaling=YARN, attn_scale=0.3, floor_scale=5),
    "decilm-odd": sizes(515, 96, 3, None, 6) | dict(head_dim=48, block_configs=blocks(
        (6, 1.3), (3, 2.625), (2, 5.25))),
    "decilm-biases": dict(attention_bias=True, mlp_bias=True, rope_scaling=None),
    "decilm-yarn-heads": dict(rope_scaling=YARN, head_dim=20),
    "prm-odd": sizes(515, 96, 2, 352, 8, 2, 48),
    "rm-odd": sizes(515, 80, 2, 352, 4, 4, 48),
    "prm-yarn-tied": dict(rope_scaling=YARN, tie_word_embeddings=True),
    "rm-layer-types": dict(use_sliding_window=True, sliding_window=24,
                           layer_types=["sliding_attention", "full_attention"]),
}


def model_of(name):
    family = name.split("-")[0]
    base = BASES[family]
    keys = {k: v for k, v in (make_tiny.text_of(base) | ROWS[name]).items() if v is not ABSENT}
    stored = STORES.get(family, {}) | (dict(embed=0.2) if keys.get("tie_word_embeddings") else {})
    return TinyModel(base | dict(text_config=keys) if "text_config" in base else keys, **stored)


def make(folder, name):
    make_tiny.FIXTURES = Path(folder)
    make_tiny.TINY[name] = model_of(name)
    # Sampled ids serve no purpose here, so near ties of greedy choices do not matter.
    make_tiny.GREEDY_STEPS, make_tiny.GREEDY_MARGIN, make_tiny.GREEDY_KINDS = 1, -1.0, 0
    make_tiny.make(name)


def check(options, test, folder, name):
    make(folder, name)
    is_good = subprocess.run([test, Path(folder) / name], check=False).returncode == 0
    if options.interpreted:
        return is_good
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(options.build, work, options.driver, options.nvrtc)
        case = Case(tools, Fixture(Path(folder) / name), options.target)
        faults = case.run()
    print(f"{'':22} {case.line()}", *faults, sep="\n", flush=True)
    return is_good and not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(ROWS))
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    parser.add_argument("--keep", help="make the models here and keep them")
    parser.add_argument("--target", default="cpu:native", help="of plans (default: cpu:native)")
    parser.add_argument("--driver", help="as of tests/e2e/tiny.py")
    parser.add_argument("--nvrtc", help="as of tests/e2e/tiny.py")
    parser.add_argument("--interpreted", action="store_true", help="no plans")
    options = parser.parse_args()
    test = (options.build / "tests" / "interp_model_test").resolve()
    if not test.is_file():
        print(f"skipped: there is no {test}: build it, or name the build folder with --build DIR")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        wrong = [n for n in options.names or ROWS if not check(options, test, options.keep or folder, n)]
    print(f"{len(options.names or ROWS) - len(wrong)} models right, wrong: {' '.join(wrong) or 'none'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""The model that is measured: Llama-3.2-1B's shape (1.236 B parameters, tied head) with random bf16 weights.

A tensor's bits depend on its name alone, so make_checkpoint.py and make_gguf.py write the same model. Weights are +-
[2^-7, 2^-5), their root mean square is 0.019, near the usual 0.02; norms are ones. Only the standard library is
used: 2.5 GB take a few seconds. `layers` may be lowered for a quick trial.
"""
import random

SEED = 1
HIDDEN, FFN, VOCAB = 2048, 8192, 128256
HEADS, KV_HEADS, HEAD_DIM = 32, 8, 64
LAYERS = 16
CONTEXT = 131072
EPS, ROPE_THETA = 1e-5, 500000.0
ROPE_SCALING = {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 8192, "rope_type": "llama3"}
PIECE_ROWS = 1024  # a piece is at most 16 MiB and whole heads

# The high byte of a bf16 is its sign and seven bits of its exponent: 0x3c or 0xbc; the low byte is any.
HIGH_BYTE = bytes(0x3C | (b & 0x80) for b in range(256))
ONE = b"\x80\x3f"


def layer_shapes():
    kv = KV_HEADS * HEAD_DIM
    return {
        "input_layernorm": (HIDDEN,),
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "post_attention_layernorm": (HIDDEN,),
        "mlp.gate_proj": (FFN, HIDDEN),
        "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
    }


def tensor_shapes(layers=LAYERS):
    """Hugging Face names and shapes, without the leading 'model.' and the trailing '.weight'."""
    shapes = {"embed_tokens": (VOCAB, HIDDEN), "norm": (HIDDEN,)}
    for layer in range(layers):
        shapes.update({f"layers.{layer}.{name}": shape for name, shape in layer_shapes().items()})
    return shapes


def pieces(name, shape):
    """The tensor's bf16 bytes, some rows at a time."""
    if len(shape) == 1:
        yield ONE * shape[0]
        return
    generator = random.Random(f"{SEED} {name}")
    for row in range(0, shape[0], PIECE_ROWS):
        weights = bytearray(generator.randbytes(2 * min(PIECE_ROWS, shape[0] - row) * shape[1]))
        weights[1::2] = weights[1::2].translate(HIGH_BYTE)
        yield weights


def config(layers=LAYERS):
    """config.json as the hub has it."""
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 128000, "eos_token_id": 128001, "head_dim": HEAD_DIM, "hidden_act": "silu",
        "hidden_size": HIDDEN, "initializer_range": 0.02, "intermediate_size": FFN,
        "max_position_embeddings": CONTEXT, "mlp_bias": False, "model_type": "llama",
        "num_attention_heads": HEADS, "num_hidden_layers": layers, "num_key_value_heads": KV_HEADS,
        "pretraining_tp": 1, "rms_norm_eps": EPS, "rope_scaling": ROPE_SCALING, "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0",
        "use_cache": True, "vocab_size": VOCAB,
    }

"""The tiny models of tests/fixtures/tiny: configurations in the hub's dialect and how their weights are stored.

A row is name: TinyModel(config, ...). Dimensions are small and unlike each other: heads times head size is seldom the
hidden size, widths are no multiples of 64, vocabularies are odd, so that a confused dimension shows.
"""
from dataclasses import dataclass, field


@dataclass
class TinyModel:
    config: dict
    store: str = "BF16"            # BF16 | F16 | F32 | FP8 (blocks with weight_scale_inv; the rest BF16)
    shards: int = 1
    lengths: tuple = (41, 300)     # one sequence of ids each
    old_names: bool = False        # LayerNorm.gamma, LayerNorm.beta and a stored position_ids
    leftover_layer: bool = False   # tensors of a multi-token prediction layer after the last one
    embed: float = 1.0             # deviation of the embedding
    norm_center: float = 1.0       # norm weights scatter around it
    gains: dict = field(default_factory=dict)   # part of a tensor's name -> factor


LM = dict(attention_dropout=0.0, bos_token_id=1, eos_token_id=2, hidden_act="silu", initializer_range=0.02,
          max_position_embeddings=512, torch_dtype="bfloat16", transformers_version="4.44.0", use_cache=True)
LLAMA = dict(LM, architectures=["LlamaForCausalLM"], model_type="llama", attention_bias=False, mlp_bias=False,
             pretraining_tp=1, rms_norm_eps=1e-5, rope_scaling=None, rope_theta=10000.0, tie_word_embeddings=False)
QWEN2 = dict(LM, architectures=["Qwen2ForCausalLM"], model_type="qwen2", max_window_layers=4, rms_norm_eps=1e-6,
             rope_theta=1000000.0, sliding_window=512, tie_word_embeddings=False, use_sliding_window=False)
GEMMA3 = dict(architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", attention_bias=False,
              attention_dropout=0.0, attn_logit_softcapping=None, bos_token_id=2, eos_token_id=1,
              final_logit_softcapping=None, hidden_activation="gelu_pytorch_tanh", initializer_range=0.02,
              max_position_embeddings=512, pad_token_id=0, rms_norm_eps=1e-6, rope_local_base_freq=10000,
              rope_scaling=None, rope_theta=1000000, sliding_window=24, sliding_window_pattern=6,
              torch_dtype="bfloat16", transformers_version="4.50.0.dev0", use_cache=True)
DEEPSEEK = dict(LM, architectures=["DeepseekV3ForCausalLM"], model_type="deepseek_v3", attention_bias=False, ep_size=1,
                first_k_dense_replace=1, kv_lora_rank=32, moe_layer_freq=1, n_group=4, n_routed_experts=8,
                n_shared_experts=1, norm_topk_prob=True, num_experts_per_tok=3, num_hidden_layers=3,
                num_nextn_predict_layers=1, qk_nope_head_dim=16, qk_rope_head_dim=8, rms_norm_eps=1e-6,
                rope_scaling=None, rope_theta=10000, routed_scaling_factor=2.5, scoring_func="sigmoid",
                tie_word_embeddings=False, topk_group=2, topk_method="noaux_tc", transformers_version="4.33.1")
YARN = dict(beta_fast=32, beta_slow=1, factor=40, mscale=1.0, mscale_all_dim=1.0, original_max_position_embeddings=64,
            type="yarn")
FP8 = dict(activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=[128, 128])
BERT = dict(architectures=["BertForSequenceClassification"], model_type="bert", attention_probs_dropout_prob=0.1,
            classifier_dropout=None, gradient_checkpointing=False, hidden_act="gelu", hidden_dropout_prob=0.1,
            initializer_range=0.02, layer_norm_eps=1e-12, max_position_embeddings=128, pad_token_id=0,
            position_embedding_type="absolute", transformers_version="4.20.0", type_vocab_size=2, use_cache=True,
            id2label={"0": "no", "1": "maybe", "2": "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2})


def sizes(vocab, hidden, layers, ffn, heads, kv=None, head=None):
    """The size keys; kv and head only where the hub's file would have them."""
    out = dict(vocab_size=vocab, hidden_size=hidden, num_hidden_layers=layers, intermediate_size=ffn,
               num_attention_heads=heads)
    return out | (dict(num_key_value_heads=kv) if kv else {}) | (dict(head_dim=head) if head else {})


TINY = {
    "llama-tied": TinyModel(
        LLAMA | sizes(112, 96, 2, 120, 6, 2) | dict(tie_word_embeddings=True),
        embed=0.2, gains={"o_proj": 0.3, "down_proj": 0.3}),
    "llama-biases-linear": TinyModel(
        LLAMA | sizes(131, 64, 2, 108, 4, 4, 24) | dict(
            attention_bias=True, mlp_bias=True, rope_scaling=dict(type="linear", factor=4.0),
            torch_dtype="float16"), store="F16"),
    "llama-llama3": TinyModel(
        LLAMA | sizes(103, 72, 2, 84, 3, 1, 32) | dict(
            rope_theta=500000.0, torch_dtype="float32", rope_scaling=dict(
                factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=64,
                rope_type="llama3")),
        store="F32"),
    "qwen2-tied-sharded": TinyModel(
        QWEN2 | sizes(119, 80, 2, 152, 5, 1) | dict(tie_word_embeddings=True), shards=2, embed=0.2,
        gains={"o_proj": 0.3, "down_proj": 0.3}),
    "qwen2-window": TinyModel(
        QWEN2 | sizes(96, 72, 4, 100, 3, 3) | dict(max_window_layers=2, sliding_window=40, use_sliding_window=True)),
    "gemma3-linear": TinyModel(
        GEMMA3 | sizes(117, 64, 7, 72, 4, 2, 24) | dict(
            query_pre_attn_scalar=20, rope_scaling=dict(factor=8.0, rope_type="linear")),
        embed=0.12, norm_center=0.0, gains={"q_norm": 1.2, "k_norm": 1.2}),
    "gemma3-softcap": TinyModel(
        GEMMA3 | sizes(128, 72, 6, 100, 3, 1, 32) | dict(
            final_logit_softcapping=3.0, query_pre_attn_scalar=32, sliding_window_pattern=3),
        embed=0.12, norm_center=0.0, gains={"q_norm": 1.2, "k_norm": 1.2}),
    "deepseek-v3-yarn": TinyModel(
        DEEPSEEK | sizes(112, 72, 3, 132, 3, 3) | dict(
            moe_intermediate_size=20, n_shared_experts=2, q_lora_rank=40, rms_norm_eps=1e-3, v_head_dim=20,
            rope_scaling=YARN | dict(mscale=0.707, mscale_all_dim=1.0))),
    "deepseek-v3-plain": TinyModel(
        DEEPSEEK | sizes(101, 80, 3, 100, 4, 4) | dict(
            moe_intermediate_size=24, num_nextn_predict_layers=0, q_lora_rank=None, qk_nope_head_dim=24,
            v_head_dim=16)),
    "deepseek-v3-fp8": TinyModel(
        DEEPSEEK | sizes(96, 144, 3, 136, 6, 6) | dict(
            moe_intermediate_size=16, q_lora_rank=48, quantization_config=FP8, rope_scaling=YARN, v_head_dim=16),
        store="FP8", leftover_layer=True),
    "bert-3-labels": TinyModel(BERT | sizes(180, 96, 2, 172, 4), lengths=(41, 120)),
    "bert-old-names": TinyModel(
        BERT | sizes(150, 80, 2, 132, 5) | dict(layer_norm_eps=1e-3),
        store="F32", lengths=(17, 41, 120), old_names=True),
}

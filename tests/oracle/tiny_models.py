"""The tiny models of tests/fixtures/tiny: configurations in the hub's dialect and how their weights are stored.

A row is name: TinyModel(config, ...). Dimensions are small and unlike each other: heads times head size is seldom the
hidden size, widths are no multiples of 64, vocabularies are odd, so that a confused dimension shows.
"""
from dataclasses import dataclass, field


@dataclass
class TinyModel:
    config: dict
    at: str = "."                  # folder, from tests/fixtures/tiny on
    store: str = "BF16"            # BF16 | F16 | F32 | FP8 (blocks with weight_scale_inv; the rest BF16)
    shards: int = 1
    lengths: tuple = (41, 300)     # one sequence of ids each
    old_names: bool = False        # LayerNorm.gamma, LayerNorm.beta and a stored position_ids
    leftover_layer: bool = False   # tensors of a multi-token prediction layer after the last one
    leftover_head: bool = False    # a language model's head that is not used
    prefixes: dict = field(default_factory=dict)  # beginnings of tensors' names -> what is stored for them
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
MISTRAL = dict(LM, architectures=["MistralForCausalLM"], model_type="mistral", rms_norm_eps=1e-5, rope_theta=10000.0,
               sliding_window=4096, tie_word_embeddings=False)
MIXTRAL = dict(LM, architectures=["MixtralForCausalLM"], model_type="mixtral", num_experts_per_tok=2,
               num_local_experts=4, output_router_logits=False, rms_norm_eps=1e-5, rope_theta=1000000.0,
               router_aux_loss_coef=0.02, sliding_window=None, tie_word_embeddings=False)
NEMOTRON = dict(LM, architectures=["NemotronForCausalLM"], model_type="nemotron", attention_bias=False,
                hidden_act="relu2", mlp_bias=False, norm_eps=1e-5, partial_rotary_factor=0.5, rope_theta=10000.0,
                tie_word_embeddings=False)
QWEN3 = dict(LM, architectures=["Qwen3ForCausalLM"], model_type="qwen3", attention_bias=False, max_window_layers=4,
             rms_norm_eps=1e-6, rope_scaling=None, rope_theta=1000000, sliding_window=None,
             tie_word_embeddings=False, use_sliding_window=False)
QWEN3_MOE = dict(QWEN3, architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe", decoder_sparse_step=1,
                 mlp_only_layers=[], moe_intermediate_size=20, norm_topk_prob=True, num_experts=6,
                 num_experts_per_tok=2, output_router_logits=False, router_aux_loss_coef=0.001)
LLAMA3 = dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=64,
              rope_type="llama3")
# Old files repeat the defaults of generation in the language model's part.
MLLAMA_TEXT = dict(LM, model_type="mllama_text_model", cross_attention_layers=[1, 3], do_sample=False, dropout=0,
                   length_penalty=1.0, max_length=20, num_beams=1, pad_token_id=0, pruned_heads={}, rms_norm_eps=1e-5,
                   rope_scaling=LLAMA3, rope_theta=500000.0, temperature=1.0, tie_word_embeddings=False, top_k=50)
MLLAMA_VISION = dict(attention_heads=1, hidden_act="gelu", hidden_size=4, image_size=8, intermediate_layers_indices=[0],
                     intermediate_size=4, max_num_tiles=2, model_type="mllama_vision_model", norm_eps=1e-5,
                     num_channels=3, num_global_layers=1, num_hidden_layers=1, patch_size=4,
                     supported_aspect_ratios=[[1, 1], [1, 2]], vision_output_dim=8)
MLLAMA = dict(architectures=["MllamaForConditionalGeneration"], image_token_index=128256, model_type="mllama",
              torch_dtype="bfloat16", transformers_version="4.45.0", vision_config=MLLAMA_VISION)
LLAMA4_TEXT = dict(LM, model_type="llama4_text", attention_bias=False, attention_chunk_size=64, attn_scale=0.1,
                   attn_temperature_tuning=4, floor_scale=16, for_llm_compressor=False, interleave_moe_layer_step=1,
                   no_rope_layers=[], num_experts_per_tok=1, num_local_experts=4, output_router_logits=False,
                   rms_norm_eps=1e-5, rope_theta=500000.0, router_aux_loss_coef=0.001, router_jitter_noise=0.0,
                   use_qk_norm=True)
LLAMA4_VISION = dict(hidden_size=4, image_size=8, intermediate_size=4, model_type="llama4_vision_model",
                     num_attention_heads=1, num_channels=3, num_hidden_layers=1, patch_size=4, projector_input_dim=4,
                     projector_output_dim=4, vision_output_dim=4)
LLAMA4 = dict(architectures=["Llama4ForConditionalGeneration"], boi_token_index=200080, eoi_token_index=200081,
              image_token_index=200092, model_type="llama4", torch_dtype="bfloat16", transformers_version="4.51.0",
              vision_config=LLAMA4_VISION)
DECILM = dict(LM, architectures=["DeciLMForCausalLM"], model_type="nemotron-nas", attention_bias=False,
              intermediate_size=None, mlp_bias=False, num_key_value_heads=None, pretraining_tp=1, rms_norm_eps=1e-5,
              rope_scaling=LLAMA3, rope_theta=500000.0, tie_word_embeddings=False)
GRANITE = LLAMA | dict(architectures=["GraniteForCausalLM"], model_type="granite", attention_multiplier=0.11,
                       embedding_multiplier=9.0, logits_scaling=4.0, residual_multiplier=0.4)
PRM = QWEN2 | dict(architectures=["Qwen2ForProcessRewardModel"], rms_norm_eps=1e-5, rope_theta=10000.0)
RM = QWEN2 | dict(architectures=["Qwen2ForRewardModel"], rms_norm_eps=1e-5, rope_theta=10000.0)


def blocks(*layers, **more):
    """DeciLM's block_configs of (heads in a group | "linear" | None, factor of the width | "linear" | None)."""
    def block(value, name):
        number = None if isinstance(value, str) else value
        return {name: number, "no_op": value is None, "replace_with_linear": value == "linear"}
    attention = dict.fromkeys(("num_sink_tokens", "sparsify", "window_length")) if more else {}
    ffn = dict(sparsify=None) if more else {}
    return [{"attention": block(a, "n_heads_in_group") | attention | more, "ffn": block(f, "ffn_mult") | ffn}
            for a, f in layers]


def sizes(vocab, hidden, layers, ffn, heads, kv=None, head=None):
    """The size keys; kv and head only where the hub's file would have them."""
    out = dict(vocab_size=vocab, hidden_size=hidden, num_hidden_layers=layers, intermediate_size=ffn,
               num_attention_heads=heads)
    return out | (dict(num_key_value_heads=kv) if kv else {}) | (dict(head_dim=head) if head else {})


TINY = {
    "llama-tied": TinyModel(
        LLAMA | sizes(112, 96, 2, 120, 6, 2) | dict(tie_word_embeddings=True),
        embed=0.2, gains={"o_proj": 0.3, "down_proj": 0.3}),
    "llama-dynamic": TinyModel(  # the longer prompts turn positions by a larger base
        LLAMA | sizes(119, 64, 2, 96, 4, 2) | dict(
            rope_scaling=dict(type="dynamic", factor=2.5), max_position_embeddings=160)),
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
    "mistral-window": TinyModel(MISTRAL | sizes(131, 96, 3, 108, 6, 2) | dict(sliding_window=40)),
    "mistral-no-window": TinyModel(
        MISTRAL | sizes(515, 64, 2, 100, 8, 1, 48) | dict(sliding_window=None, torch_dtype="float16"),
        store="F16", lengths=(41,)),
    "mixtral-top2": TinyModel(MIXTRAL | sizes(121, 72, 2, 52, 4, 2) | dict(head_dim=20)),
    "mixtral-window-sharded": TinyModel(
        {k: v for k, v in MIXTRAL.items() if k not in ("rope_theta", "rms_norm_eps")} | sizes(113, 80, 3, 44, 5, 5) |
        dict(num_experts_per_tok=3, num_local_experts=5, sliding_window=40), shards=3),
    "nemotron-half": TinyModel(NEMOTRON | sizes(119, 80, 3, 140, 3, 1, 48), norm_center=0.0),
    "nemotron-biases-tied": TinyModel(
        NEMOTRON | sizes(111, 96, 2, 132, 4, 4, 24) | dict(
            attention_bias=True, mlp_bias=True, partial_rotary_factor=0.4, tie_word_embeddings=True),
        store="F32", embed=0.2, norm_center=0.0, gains={"o_proj": 0.3, "down_proj": 0.3}),
    "qwen3-heads": TinyModel(QWEN3 | sizes(515, 56, 2, 352, 4, 2, 48), lengths=(41,)),
    "qwen3-window-biases": TinyModel(
        QWEN3 | sizes(107, 80, 4, 100, 5, 1, 16) | dict(
            attention_bias=True, max_window_layers=2, sliding_window=40, tie_word_embeddings=True,
            use_sliding_window=True), embed=0.15, gains={"o_proj": 0.5, "down_proj": 0.5}),
    "qwen3-moe-normed": TinyModel(QWEN3_MOE | sizes(117, 72, 2, 60, 4, 1, 24)),
    "qwen3-moe-dense-layers": TinyModel(
        {k: v for k, v in QWEN3_MOE.items() if k != "norm_topk_prob"} | sizes(101, 64, 6, 68, 4, 4, 20) | dict(
            attention_bias=True, decoder_sparse_step=2, mlp_only_layers=[3], num_experts=7, num_experts_per_tok=3,
            sliding_window=40, use_sliding_window=True)),
    "mllama-llama3": TinyModel(MLLAMA | dict(text_config=MLLAMA_TEXT | sizes(115, 64, 5, 84, 4, 2))),
    "mllama-newer-prefix": TinyModel(
        MLLAMA | dict(text_config={k: v for k, v in MLLAMA_TEXT.items() if k not in (
            "cross_attention_layers", "rope_theta", "rope_scaling", "rms_norm_eps")} | sizes(97, 72, 5, 60, 3, 3)),
        prefixes={"language_model.model.": "model.language_model.", "language_model.lm_head": "lm_head",
                  "vision_model.": "model.vision_model.", "multi_modal_projector.": "model.multi_modal_projector."}),
    "llama4-scout": TinyModel(
        LLAMA4 | dict(text_config=LLAMA4_TEXT | sizes(109, 64, 4, 36, 5, 1, 24) | dict(
            intermediate_size_mlp=40, rope_scaling=LLAMA3 | dict(factor=16.0, high_freq_factor=1.0))),
        gains={"experts.down_proj": 0.25}),    # bf16 chooses another expert now and then
    "llama4-maverick": TinyModel(
        LLAMA4 | dict(text_config=LLAMA4_TEXT | sizes(103, 72, 4, 28, 4, 2, 16) | dict(
            attn_temperature_tuning=False, attention_bias=True, interleave_moe_layer_step=2,
            intermediate_size_mlp=92, no_rope_layers=[1, 0, 1, 1], rope_scaling=None, use_qk_norm=False)), store="F32"),
    "decilm-blocks": TinyModel(
        DECILM | sizes(105, 64, 6, None, 4) | dict(block_configs=blocks(
            (2, 5.25), (None, 2.625), (1, None), (None, None), ("linear", 7.0), (4, "linear"),
            unshifted_sink=False, use_prefill_window_in_sink_attention=False))),
    "decilm-old-blocks": TinyModel(
        DECILM | sizes(99, 72, 4, None, 6) | dict(
            architectures=["DeciLMForCausalLM"], model_type="deci", head_dim=24, rope_scaling=None,
            block_configs=blocks(("linear", 1.3125), (3, 5.25), (None, "linear"), (6, 6.0)))),
    "decilm-key-heads": TinyModel(
        DECILM | sizes(95, 64, 3, 84, 4) | dict(
            intermediate_size=84, model_type="deci", num_key_value_heads_per_layer=[4, 1, 2],
            rope_scaling=dict(type="linear", factor=2.0))),
    "qwen2-prm": TinyModel(PRM | sizes(131, 72, 3, 100, 3, 1), leftover_head=True),
    "qwen2-prm-window": TinyModel(
        PRM | sizes(95, 64, 3, 60, 4, 4) | dict(max_window_layers=1, sliding_window=40, use_sliding_window=True)),
    "qwen2-rm": TinyModel(RM | sizes(119, 80, 3, 92, 5, 1), leftover_head=True),
    "granite": TinyModel(
        {k: v for k, v in GRANITE.items() if k != "pretraining_tp"} | sizes(123, 72, 3, 92, 4, 2) | dict(
            attention_bias=True), at="../examples", embed=0.15),
}

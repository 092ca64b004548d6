"""Models that transformers has not, put together from its parts, for the oracle.

Their checkpoints bring code of their own; what it computes is written down here again:
    DeciLMForCausalLM               Llama whose layers differ (block_configs, or num_key_value_heads_per_layer)
    Qwen2ForProcessRewardModel      Qwen2 with two scores for every token
    Qwen2ForRewardModel             Qwen2 with one score at the last token
"""
import copy
from types import SimpleNamespace

import transformers
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Model, Qwen2PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm


# ---- DeciLM ----------------------------------------------------------------------------------------------------------


@strict
class DeciConfig(LlamaConfig):
    model_type = "nemotron-nas"
    intermediate_size: int | None = None
    block_configs: list | None = None
    num_key_value_heads_per_layer: list | None = None

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self.num_key_value_heads = None

    def key_heads_of(self, layer):
        """A number of heads, "linear" or "none"."""
        if self.block_configs is None:
            return self.num_key_value_heads_per_layer[layer]
        block = self.block_configs[layer]["attention"]
        return kind_of(block) or self.num_attention_heads // block["n_heads_in_group"]

    def width_of(self, layer):
        """The width of the MLP, a multiple of 256; "linear" or "none"."""
        if self.block_configs is None:
            return self.intermediate_size
        block = self.block_configs[layer]["ffn"]
        return kind_of(block) or -(-int(2 * block["ffn_mult"] * self.hidden_size / 3) // 256) * 256


def kind_of(block):
    return "none" if block["no_op"] else "linear" if block["replace_with_linear"] else None


def changed(config, **keys):
    own = copy.deepcopy(config)
    for key, value in keys.items():
        setattr(own, key, value)
    return own


class LinearAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear_attn = nn.Linear(width, width, bias=False)


class LinearMLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear_mlp = nn.Linear(width, width, bias=False)


class DeciLayer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        width, self.key_heads, self.width = config.hidden_size, config.key_heads_of(layer), config.width_of(layer)
        if self.key_heads != "none":
            self.input_layernorm = LlamaRMSNorm(width, eps=config.rms_norm_eps)
            self.self_attn = LinearAttention(width) if self.key_heads == "linear" else LlamaAttention(
                changed(config, num_key_value_heads=self.key_heads), layer)
        if self.width != "none":
            self.post_attention_layernorm = LlamaRMSNorm(width, eps=config.rms_norm_eps)
            self.mlp = LinearMLP(width) if self.width == "linear" else LlamaMLP(
                changed(config, intermediate_size=self.width))

    def forward(self, x, attention_mask, position_embeddings, **_):
        if self.key_heads == "linear":
            x = x + self.self_attn.linear_attn(self.input_layernorm(x))
        elif self.key_heads != "none":
            out, _ = self.self_attn(self.input_layernorm(x), position_embeddings, attention_mask)
            x = x + out
        if self.width == "linear":
            x = x + self.mlp.linear_mlp(self.post_attention_layernorm(x))
        elif self.width != "none":
            x = x + self.mlp(self.post_attention_layernorm(x))
        return x


class DeciLMForCausalLM(LlamaForCausalLM):
    config_class = DeciConfig

    def __init__(self, config):
        super().__init__(changed(config, num_key_value_heads=config.num_attention_heads, intermediate_size=8))
        self.config = self.model.config = config
        self.model.layers = nn.ModuleList(DeciLayer(config, i) for i in range(config.num_hidden_layers))


# ---- rewards ---------------------------------------------------------------------------------------------------------


class Scorer(Qwen2PreTrainedModel):
    _keys_to_ignore_on_load_unexpected = ["lm_head.weight"]
    scores = None

    def __init__(self, config):
        super().__init__(config)
        self.model = Qwen2Model(config)
        width = config.hidden_size
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.scores))
        self.post_init()

    def forward(self, input_ids, **_):
        return SimpleNamespace(logits=self.score(self.model(input_ids, use_cache=False).last_hidden_state))


class Qwen2ForProcessRewardModel(Scorer):
    scores = 2


class Qwen2ForRewardModel(Scorer):
    scores = 1

    def forward(self, input_ids, **_):
        return SimpleNamespace(logits=super().forward(input_ids).logits[:, -1:])


# ---- by name ---------------------------------------------------------------------------------------------------------


def model_class(architecture):
    """The class that a config's `architectures` names."""
    return globals().get(architecture) or getattr(transformers, architecture)


def config_class(architecture):
    """The class that reads the config of it."""
    return DeciConfig if architecture == "DeciLMForCausalLM" else transformers.AutoConfig

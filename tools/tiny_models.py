# SPDX-License-Identifier: Apache-2.0
"""The tiny random models that tests open: one at least of every architecture, with the shapes that exercise what is particular about it.

``MODELS`` has their configs as Hugging Face writes them, ``make_weights`` their weights, from an integer hash of (model, tensor, index).
``make_tiny_models.py`` writes them as files.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field

import numpy as np

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class TinyModel:
    """One model: its GGUF architecture and its Hugging Face configuration."""

    name: str
    arch: str
    config: dict[str, object]
    attention_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    post_norms: bool = False
    whole_norms: bool = False  # of all heads of q and k together, and none before the branches
    input_norms: bool = True  # before the branches
    norm_names: tuple[str, ...] = ()  # of a layer, GGUF's in NORM_NAMES; empty: Llama's, or Gemma's with post_norms
    fused: bool = False  # q, k and v in one matrix, gate and up in another
    fused_gate_up: bool = False  # only the latter
    experts: str = ""  # where they stand in a layer: "mlp" or "block_sparse_moe"
    stacked: bool = False  # all experts' matrices as one tensor, gate and up together (granitemoe)
    gguf_extra: dict[str, object] = field(default_factory=dict)

    def __getitem__(self, key: str) -> int:
        value = self.config[key]
        assert isinstance(value, int)
        return value

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self["head_dim"] if "head_dim" in self.config else self["hidden_size"] // self["num_attention_heads"]

    def is_full(self, layer: int) -> bool:
        """gemma4: whether the layer has the heads of full layers."""
        return self.arch == "gemma4" and self.config["layer_types"][layer] == "full_attention"  # type: ignore[index]

    def head_dim_of(self, layer: int) -> int:
        """Width of one head of a layer."""
        return self["global_head_dim"] if self.is_full(layer) else self.head_dim

    def kv_heads_of(self, layer: int) -> int:
        """K,V heads of a layer."""
        return self["num_global_key_value_heads"] if self.is_full(layer) and self.keys_are_values else self["num_key_value_heads"]

    @property
    def keys_are_values(self) -> bool:
        """gemma4: of full layers."""
        return bool(self.config.get("attention_k_eq_v"))

    @property
    def kv_layers(self) -> int:
        """Layers with keys and values of their own; those behind read theirs."""
        shared = self.config.get("num_kv_shared_layers", 0)
        assert isinstance(shared, int)
        return self["num_hidden_layers"] - shared

    @property
    def per_layer_size(self) -> int:
        """gemma4: of what each layer embeds tokens as."""
        size = self.config.get("hidden_size_per_layer_input", 0)
        assert isinstance(size, int)
        return size

    def feed_forward_of(self, layer: int) -> int:
        """Width of a layer's feed-forward."""
        wide = bool(self.config.get("use_double_wide_mlp")) and layer >= self.kv_layers
        return self["intermediate_size"] * (2 if wide else 1)

    @property
    def is_lfm2(self) -> bool:
        """Whether layers may be short convolutions."""
        return self.arch.startswith("lfm2")

    def convolves(self, layer: int) -> bool:
        """Whether the layer is a short convolution."""
        kinds, attention = self.config.get("layer_types"), self.config.get("full_attn_idxs", [])
        return self.is_lfm2 and (kinds[layer] == "conv" if kinds else layer not in attention)  # type: ignore[index,operator]

    @property
    def feed_forward(self) -> int:
        """Width of a feed-forward."""
        width = self["intermediate_size"]
        if self.config.get("block_auto_adjust_ff_dim"):
            width = -(-(2 * width // 3) // self["block_multiple_of"]) * self["block_multiple_of"]
        return width

    @property
    def tied(self) -> bool:
        """Whether the output matrix is the embedding."""
        return bool(self.config["tie_word_embeddings"])


def config(architecture: str, model_type: str, *, d: int, layers: int, heads: int, kv_heads: int, ff: int, vocab: int,
           tied: bool, context: int = 512, theta: float = 10000.0, eps: float = 1e-5, **more: object) -> dict[str, object]:
    """A config.json in the key style of the files in circulation (rope_theta at the top level)."""
    return {
        "architectures": [architecture], "model_type": model_type, "torch_dtype": "float32", "hidden_size": d,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": ff,
        "vocab_size": vocab, "tie_word_embeddings": tied, "max_position_embeddings": context, "rope_theta": theta,
        "rms_norm_eps": eps, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "use_cache": True, **more,
    }


LLAMA3_SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 64}

MINISTRAL_ROPE = {"type": "yarn", "rope_type": "yarn", "rope_theta": 1e6, "factor": 8.0, "original_max_position_embeddings": 16,
                  "max_position_embeddings": 512, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 0.5,
                  "llama_4_scaling_beta": 0.4}

GPT_OSS_ROPE = {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "original_max_position_embeddings": 16, "truncate": False}

MODELS: list[TinyModel] = [
    TinyModel("llama-gqa", "llama", config("LlamaForCausalLM", "llama", d=32, layers=6, heads=4, kv_heads=2, ff=64, vocab=256, tied=False)),
    TinyModel("llama-mha", "llama", config("LlamaForCausalLM", "llama", d=42, layers=4, heads=3, kv_heads=3, ff=50, vocab=259, tied=True)),
    TinyModel("llama-odd", "llama", config("LlamaForCausalLM", "llama", d=45, layers=4, heads=9, kv_heads=3, ff=36, vocab=257, tied=True,
                                           head_dim=8, theta=100000.0)),
    TinyModel("llama-rope3", "llama", config("LlamaForCausalLM", "llama", d=48, layers=4, heads=3, kv_heads=1, ff=64, vocab=256, tied=True,
                                             theta=10000.0, rope_scaling=LLAMA3_SCALING)),
    TinyModel("llama-bias", "llama", config("LlamaForCausalLM", "llama", d=48, layers=4, heads=6, kv_heads=2, ff=64, vocab=256, tied=True,
                                            attention_bias=True, mlp_bias=True),
              attention_bias=True, output_bias=True, mlp_bias=True),
    TinyModel("mistral-window", "llama", config("MistralForCausalLM", "mistral", d=48, layers=4, heads=6, kv_heads=2, ff=64, vocab=256, tied=True,
                                                sliding_window=12, head_dim=8),
              gguf_extra={"attention.sliding_window": 12}),
    TinyModel("qwen2", "qwen2", config("Qwen2ForCausalLM", "qwen2", d=48, layers=4, heads=6, kv_heads=2, ff=64, vocab=260, tied=True, eps=1e-6,
                                       theta=1000000.0, use_sliding_window=False, sliding_window=12, max_window_layers=2),
              attention_bias=True),
    TinyModel("qwen3", "qwen3", config("Qwen3ForCausalLM", "qwen3", d=32, layers=4, heads=4, kv_heads=2, ff=64, vocab=300, tied=True, eps=1e-6,
                                       theta=1000000.0, head_dim=16, attention_bias=False, use_sliding_window=False, sliding_window=None,
                                       max_window_layers=4),
              qk_norm=True),
    # Seven layers: the sixth attends to everything, as in the released Gemma 3 files (no pattern key in the GGUF).
    TinyModel("gemma3", "gemma3", config("Gemma3ForCausalLM", "gemma3_text", d=36, layers=7, heads=3, kv_heads=1, ff=44, vocab=262, tied=True,
                                         eps=1e-6, theta=1000000.0, head_dim=16, query_pre_attn_scalar=16, sliding_window=8,
                                         sliding_window_pattern=6, rope_local_base_freq=10000.0, rope_scaling=None,
                                         hidden_activation="gelu_pytorch_tanh", attention_bias=False, attn_logit_softcapping=None,
                                         final_logit_softcapping=None),
              qk_norm=True, post_norms=True, gguf_extra={"attention.sliding_window": 8, "rope.freq_base_swa": 10000.0}),
    # Layer types spelled out, linear rope scaling in the full layers only (as in the 4B file), another local base.
    TinyModel("gemma3-linear", "gemma3", config("Gemma3ForCausalLM", "gemma3_text", d=32, layers=6, heads=2, kv_heads=1, ff=64, vocab=262,
                                                tied=True, eps=1e-6, theta=100000.0, head_dim=16, query_pre_attn_scalar=16, sliding_window=8,
                                                layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
                                                rope_local_base_freq=5000.0, rope_scaling={"rope_type": "linear", "factor": 8.0},
                                                hidden_activation="gelu_pytorch_tanh", attention_bias=False, attn_logit_softcapping=None,
                                                final_logit_softcapping=None),
              qk_norm=True, post_norms=True,
              gguf_extra={"attention.sliding_window": 8, "attention.sliding_window_pattern": 3, "rope.freq_base_swa": 5000.0,
                          "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}),
    # Full layers have other heads, one of four values rotated, and keys as values.
    TinyModel("gemma4", "gemma4", config("Gemma4ForCausalLM", "gemma4_text", d=32, layers=6, heads=4, kv_heads=2, ff=48, vocab=262, tied=True,
                                         eps=1e-6, theta=1000000.0, head_dim=8, global_head_dim=16, num_global_key_value_heads=1,
                                         attention_k_eq_v=True, sliding_window=8, hidden_activation="gelu_pytorch_tanh", attention_bias=False,
                                         layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
                                         final_logit_softcapping=12.0, hidden_size_per_layer_input=0, num_kv_shared_layers=0,
                                         use_double_wide_mlp=False, enable_moe_block=False, use_bidirectional_attention=None,
                                         rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                                          "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25,
                                                                             "rope_theta": 1000000.0}}),
              qk_norm=True, post_norms=True,
              gguf_extra={"attention.head_count_kv": [2, 2, 1] * 2, "attention.key_length": 16, "attention.value_length": 16,
                          "attention.key_length_swa": 8, "attention.value_length_swa": 8, "attention.sliding_window": 8,
                          "attention.sliding_window_pattern": [True, True, False] * 2, "attention.shared_kv_layers": 0,
                          "embedding_length_per_layer_input": 0, "rope.freq_base_swa": 10000.0, "rope.dimension_count": 16,
                          "rope.dimension_count_swa": 8, "final_logit_softcapping": 12.0}),
    # E2B's parts: per-layer embeddings; four layers that read keys and values of the fourth and the fifth, with a wider feed-forward.
    TinyModel("gemma4-shared", "gemma4",
              config("Gemma4ForCausalLM", "gemma4_text", d=32, layers=9, heads=4, kv_heads=2, ff=40, vocab=262, tied=True, eps=1e-6,
                     theta=1000000.0, head_dim=8, global_head_dim=16, num_global_key_value_heads=None, attention_k_eq_v=False, sliding_window=8,
                     hidden_activation="gelu_pytorch_tanh", attention_bias=False, final_logit_softcapping=12.0,
                     layer_types=[f"{kind}_attention" for kind in ("sliding", "full", "sliding", "full", "sliding", "full", "sliding", "sliding", "full")],
                     hidden_size_per_layer_input=12, vocab_size_per_layer_input=262, num_kv_shared_layers=4, use_double_wide_mlp=True,
                     enable_moe_block=False, use_bidirectional_attention=None,
                     rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                      "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}}),
              qk_norm=True, post_norms=True,
              gguf_extra={"attention.key_length": 16, "attention.value_length": 16, "attention.key_length_swa": 8, "attention.value_length_swa": 8,
                          "attention.sliding_window": 8, "attention.sliding_window_pattern": [True, False, True, False, True, False, True, True, False],
                          "attention.shared_kv_layers": 4, "embedding_length_per_layer_input": 12, "feed_forward_length": [40] * 5 + [80] * 4,
                          "rope.freq_base_swa": 10000.0, "rope.dimension_count": 16, "rope.dimension_count_swa": 8,
                          "final_logit_softcapping": 12.0}),
    # 26B's parts: experts beside the feed-forward, each with norms of their own.
    TinyModel("gemma4-experts", "gemma4",
              config("Gemma4ForCausalLM", "gemma4_text", d=32, layers=4, heads=4, kv_heads=2, ff=40, vocab=262, tied=True, eps=1e-6,
                     theta=1000000.0, head_dim=8, global_head_dim=16, num_global_key_value_heads=1, attention_k_eq_v=True, sliding_window=8,
                     hidden_activation="gelu_pytorch_tanh", attention_bias=False, final_logit_softcapping=12.0,
                     layer_types=["sliding_attention", "full_attention"] * 2, hidden_size_per_layer_input=0, num_kv_shared_layers=0,
                     use_double_wide_mlp=False, enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=24,
                     use_bidirectional_attention=None,
                     rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                      "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}}),
              qk_norm=True, post_norms=True,
              gguf_extra={"attention.head_count_kv": [2, 1] * 2, "attention.key_length": 16, "attention.value_length": 16,
                          "attention.key_length_swa": 8, "attention.value_length_swa": 8, "attention.sliding_window": 8,
                          "attention.sliding_window_pattern": [True, False] * 2, "attention.shared_kv_layers": 0,
                          "embedding_length_per_layer_input": 0, "expert_count": 6, "expert_used_count": 2, "expert_feed_forward_length": 24,
                          "rope.freq_base_swa": 10000.0, "rope.dimension_count": 16, "rope.dimension_count_swa": 8,
                          "final_logit_softcapping": 12.0}),
    # Mixtures of experts. The weights of a token's experts add up to one in Mixtral and Qwen3, not in Qwen2.
    TinyModel("mixtral", "llama", config("MixtralForCausalLM", "mixtral", d=32, layers=4, heads=4, kv_heads=2, ff=40, vocab=256, tied=False,
                                         num_local_experts=5, num_experts_per_tok=2, sliding_window=None),
              experts="block_sparse_moe", gguf_extra={"expert_count": 5, "expert_used_count": 2}),
    TinyModel("qwen2moe", "qwen2moe", config("Qwen2MoeForCausalLM", "qwen2_moe", d=32, layers=4, heads=4, kv_heads=2, ff=64, vocab=260, tied=False,
                                             eps=1e-6, theta=1000000.0, use_sliding_window=False, sliding_window=16, max_window_layers=2,
                                             num_experts=6, num_experts_per_tok=3, moe_intermediate_size=24, shared_expert_intermediate_size=40,
                                             norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[]),
              attention_bias=True, experts="mlp",
              gguf_extra={"expert_count": 6, "expert_used_count": 3, "expert_feed_forward_length": 24, "expert_shared_feed_forward_length": 40}),
    # The third layer is an ordinary one; GGUF has no key of its own for that.
    TinyModel("qwen3moe", "qwen3moe", config("Qwen3MoeForCausalLM", "qwen3_moe", d=32, layers=4, heads=4, kv_heads=2, ff=48, vocab=300, tied=True,
                                             eps=1e-6, theta=1000000.0, head_dim=16, attention_bias=False, use_sliding_window=False,
                                             sliding_window=None, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=24,
                                             norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[2]),
              qk_norm=True, experts="mlp",
              gguf_extra={"expert_count": 8, "expert_used_count": 3, "expert_feed_forward_length": 24, "expert_layers": [1, 1, 0, 1]}),
    TinyModel("gemma2", "gemma2", config("Gemma2ForCausalLM", "gemma2", d=36, layers=5, heads=3, kv_heads=1, ff=44, vocab=262, tied=True, eps=1e-6,
                                         head_dim=16, query_pre_attn_scalar=12, sliding_window=8, hidden_activation="gelu_pytorch_tanh",
                                         attention_bias=False, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
              post_norms=True, gguf_extra={"attention.sliding_window": 8, "attention.scale": 12 ** -0.5, "attn_logit_softcapping": 5.0,
                                           "final_logit_softcapping": 3.0}),
    TinyModel("granite", "granite", config("GraniteForCausalLM", "granite", d=32, layers=4, heads=4, kv_heads=2, ff=64, vocab=256, tied=True,
                                           attention_bias=False, mlp_bias=False, embedding_multiplier=0.5, attention_multiplier=0.25,
                                           residual_multiplier=1.5, logits_scaling=0.5),
              gguf_extra={"embedding_scale": 0.5, "attention.scale": 0.25, "residual_scale": 1.5, "logit_scale": 0.5}),
    TinyModel("olmo2", "olmo2", config("Olmo2ForCausalLM", "olmo2", d=32, layers=4, heads=4, kv_heads=2, ff=64, vocab=256, tied=False, eps=1e-5,
                                       theta=500000.0, attention_bias=False),
              post_norms=True, whole_norms=True),
    TinyModel("phi3", "phi3", config("Phi3ForCausalLM", "phi3", d=32, layers=4, heads=4, kv_heads=2, ff=48, vocab=256, tied=False,
                                     original_max_position_embeddings=512, partial_rotary_factor=0.75, rope_scaling=None, sliding_window=12, pad_token_id=0),
              fused=True, gguf_extra={"attention.sliding_window": 12, "rope.dimension_count": 6}),
    TinyModel("phi3-long", "phi3", config("Phi3ForCausalLM", "phi3", d=32, layers=4, heads=4, kv_heads=4, ff=48, vocab=256, tied=True,
                                          context=2048, original_max_position_embeddings=256, sliding_window=None, pad_token_id=0,
                                          rope_scaling={"type": "longrope", "short_factor": [1.0, 1.25, 1.5, 2.0],
                                                        "long_factor": [1.0, 2.0, 4.0, 8.0]}),
              fused=True, gguf_extra={"rope.dimension_count": 8, "rope.scaling.original_context_length": 256,
                                      "rope.scaling.attn_factor": math.sqrt(1 + math.log(8) / math.log(256))}),
    # Half of each head is rotated, in neighbouring pairs; norms before and after the branches.
    TinyModel("glm4", "glm4", config("Glm4ForCausalLM", "glm4", d=32, layers=4, heads=4, kv_heads=2, ff=48, vocab=256, tied=False, head_dim=16,
                                     attention_bias=True, partial_rotary_factor=0.5, pad_token_id=0),
              attention_bias=True, fused_gate_up=True,
              norm_names=("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm"),
              gguf_extra={"rope.dimension_count": 8}),
    TinyModel("seed-oss", "seed_oss", config("SeedOssForCausalLM", "seed_oss", d=32, layers=4, heads=4, kv_heads=2, ff=48, vocab=256, tied=False,
                                             head_dim=12, attention_bias=True, attention_out_bias=False, mlp_bias=False, theta=1e7),
              attention_bias=True),
    # Three layers slide and rotate, the fourth does neither; rope scaling as in the 32B file.
    TinyModel("exaone4", "exaone4", config("Exaone4ForCausalLM", "exaone4", d=32, layers=8, heads=4, kv_heads=2, ff=48, vocab=256, tied=False,
                                           head_dim=16, sliding_window=8, sliding_window_pattern="LLLG", theta=1e6,
                                           layer_types=(["sliding_attention"] * 3 + ["full_attention"]) * 2, rope_scaling=LLAMA3_SCALING),
              qk_norm=True, post_norms=True, input_norms=False,
              gguf_extra={"attention.sliding_window": 8, "attention.sliding_window_pattern": [1, 1, 1, 0] * 2}),
    # The prompt is longer than the original context, so that queries grow.
    TinyModel("ministral3", "mistral3", config("Ministral3ForCausalLM", "ministral3", d=32, layers=4, heads=4, kv_heads=2, ff=48, vocab=256,
                                               tied=True, theta=1e6, head_dim=16, sliding_window=None, rope_parameters=MINISTRAL_ROPE),
              gguf_extra={"rope.dimension_count": 16, "rope.scaling.type": "yarn", "rope.scaling.factor": 8.0,
                          "rope.scaling.original_context_length": 16, "rope.scaling.yarn_beta_fast": 32.0,
                          "rope.scaling.yarn_beta_slow": 1.0, "rope.scaling.yarn_log_multiplier": 0.5, "attention.temperature_scale": 0.4}),
    TinyModel("granitemoe", "granitemoe", config("GraniteMoeForCausalLM", "granitemoe", d=32, layers=4, heads=4, kv_heads=2, ff=24, vocab=256,
                                                 tied=True, attention_bias=False, embedding_multiplier=0.5, attention_multiplier=0.25,
                                                 residual_multiplier=1.5, logits_scaling=0.5, num_local_experts=6, num_experts_per_tok=2),
              experts="block_sparse_moe", stacked=True,
              gguf_extra={"embedding_scale": 0.5, "attention.scale": 0.25, "residual_scale": 1.5, "logit_scale": 0.5,
                          "expert_count": 6, "expert_used_count": 2}),
    TinyModel("granitemoeshared", "granitemoe", config("GraniteMoeSharedForCausalLM", "granitemoeshared", d=32, layers=4, heads=4, kv_heads=2,
                                                       ff=24, vocab=256, tied=True, attention_bias=False, embedding_multiplier=0.5,
                                                       attention_multiplier=0.25, residual_multiplier=1.5, logits_scaling=0.5,
                                                       num_local_experts=6, num_experts_per_tok=2, shared_intermediate_size=40),
              experts="block_sparse_moe", stacked=True,
              gguf_extra={"embedding_scale": 0.5, "attention.scale": 0.25, "residual_scale": 1.5, "logit_scale": 0.5,
                          "expert_count": 6, "expert_used_count": 2, "expert_shared_feed_forward_length": 40}),
    # Sinks, windows in every other layer, experts with biases whose matrices are exact in MXFP4; the prompt leaves YaRN's original context.
    TinyModel("gpt-oss", "gpt-oss", config("GptOssForCausalLM", "gpt_oss", d=32, layers=4, heads=4, kv_heads=2, ff=64, vocab=256, tied=False,
                                           theta=1.5e5, head_dim=16, attention_bias=True, num_local_experts=5, num_experts_per_tok=2,
                                           experts_per_token=2, sliding_window=8, swiglu_limit=7.0, initial_context_length=16,
                                           layer_types=["sliding_attention", "full_attention"] * 2, rope_scaling=GPT_OSS_ROPE),
              attention_bias=True, output_bias=True, experts="mlp",
              gguf_extra={"attention.sliding_window": 8, "expert_count": 5, "expert_used_count": 2, "expert_feed_forward_length": 64,
                          "rope.scaling.type": "yarn", "rope.scaling.factor": 32.0, "rope.scaling.original_context_length": 16,
                          "rope.scaling.yarn_beta_fast": 32.0, "rope.scaling.yarn_beta_slow": 1.0}),
    # Short convolutions in most layers, also the last; the width of the feed-forward is two thirds of 70, in multiples of 16.
    TinyModel("lfm2", "lfm2", config("Lfm2ForCausalLM", "lfm2", d=32, layers=6, heads=4, kv_heads=2, ff=70, vocab=256, tied=True, theta=1e6,
                                     eps=1e-4, norm_eps=1e-4, conv_L_cache=3, conv_bias=False, block_auto_adjust_ff_dim=True,
                                     block_ffn_dim_multiplier=1.0, block_multiple_of=16, pad_token_id=0,
                                     layer_types=["conv", "conv", "full_attention", "conv", "full_attention", "conv"]),
              qk_norm=True, gguf_extra={"attention.head_count_kv": [0, 0, 2, 0, 2, 0], "feed_forward_length": 48, "shortconv.l_cache": 3}),
    # The older spelling of the config, longer kernels with biases, an output matrix of its own, and attention at both ends.
    TinyModel("lfm2-bias", "lfm2", config("Lfm2ForCausalLM", "lfm2", d=36, layers=5, heads=3, kv_heads=1, ff=40, vocab=260, tied=False, theta=1e6,
                                          eps=1e-5, norm_eps=1e-5, conv_L_cache=4, conv_bias=True, block_auto_adjust_ff_dim=False,
                                          block_ff_dim=40, tie_embedding=False, full_attn_idxs=[0, 2, 4], pad_token_id=0),
              qk_norm=True, mlp_bias=False, gguf_extra={"attention.head_count_kv": [1, 0, 1, 0, 1], "shortconv.l_cache": 4, "shortconv.bias": True}),
    # The first layer has no experts; the choice among them has a bias of its own.
    TinyModel("lfm2moe", "lfm2moe", config("Lfm2MoeForCausalLM", "lfm2_moe", d=32, layers=5, heads=4, kv_heads=2, ff=48, vocab=256, tied=True,
                                           theta=1e6, norm_eps=1e-5, conv_L_cache=3, conv_bias=False, moe_intermediate_size=24, num_experts=6,
                                           num_experts_per_tok=2, num_dense_layers=1, use_expert_bias=True, norm_topk_prob=True,
                                           routed_scaling_factor=1.25, pad_token_id=0,
                                           layer_types=["conv", "full_attention", "conv", "full_attention", "conv"]),
              qk_norm=True,
              gguf_extra={"attention.head_count_kv": [0, 2, 0, 2, 0], "shortconv.l_cache": 3, "expert_count": 6, "expert_used_count": 2,
                          "expert_feed_forward_length": 24, "leading_dense_block_count": 1, "expert_gating_func": 2,
                          "expert_weights_scale": 1.25}),
    # Two of its layers do not rotate.
    TinyModel("smollm3", "smollm3", config("SmolLM3ForCausalLM", "smollm3", d=32, layers=8, heads=4, kv_heads=2, ff=40, vocab=256, tied=True,
                                           attention_bias=False, mlp_bias=False, use_sliding_window=False, sliding_window=None,
                                           no_rope_layers=[1, 1, 1, 0, 1, 1, 1, 0], no_rope_layer_interval=4, pad_token_id=0)),
]


PLUS_ONE = {"gemma2", "gemma3"}  # norms whose weights lack one in a folder


def uniform(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Reproducible float32 numbers in [-1, 1): splitmix64 of the index, top 24 bits."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)).reshape(shape)


MXFP4_VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=np.float32)


def mxfp4_experts(model: TinyModel, layer: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes [experts][rows][columns] and exponents [experts][rows][columns / 32] of gpt-oss; rows of gate and up in turns."""
    d, ff, count = model["hidden_size"], model["intermediate_size"], model["num_local_experts"]
    rows, columns = (2 * ff, d) if part == "gate_up_proj" else (d, ff)
    seed = zlib.crc32(f"{model.name} {layer} {part}".encode())
    codes = ((uniform(seed, (count, rows, columns)) + 1) * 8).astype(np.uint8)
    return codes, 123 + ((uniform(seed + 1, (count, rows, columns // 32)) + 1) * 1.5).astype(np.uint8)


def mxfp4_floats(codes: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """What they stand for."""
    scales = np.repeat(np.exp2(exponents.astype(np.float32) - 127), 32, axis=-1)
    return MXFP4_VALUES[codes] * scales


def mxfp4_neighbours(codes: np.ndarray) -> np.ndarray:
    """As Hugging Face has them: [..., columns / 32, 16], two neighbours in a byte."""
    pairs = codes.reshape(*codes.shape[:-1], -1, 16, 2)
    return pairs[..., 0] | pairs[..., 1] << 4


def mxfp4_blocks(codes: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """As GGUF has them: 17 bytes a block."""
    halves = codes.reshape(*codes.shape[:-1], -1, 2, 16)
    blocks = np.concatenate([exponents[..., None], halves[..., 0, :] | halves[..., 1, :] << 4], axis=-1)
    return blocks.reshape(*codes.shape[:-1], -1)


def with_mxfp4(model: TinyModel, tensors: Tensors) -> Tensors:
    """The folder's tensors with the experts as blocks and scales."""
    result: Tensors = {}
    for name, array in tensors.items():
        if not name.endswith(("gate_up_proj", "experts.down_proj")):
            result[name] = array
            continue
        codes, exponents = mxfp4_experts(model, int(name.split(".")[2]), name.rsplit(".", 1)[1])
        result[f"{name}_blocks"], result[f"{name}_scales"] = mxfp4_neighbours(codes), exponents
    return result


def make_weights(model: TinyModel) -> Tensors:
    """Every tensor under its Hugging Face name, float32, [out, in]."""
    d, ff, vocab = model["hidden_size"], model.feed_forward, model["vocab_size"]
    gemma = model.arch.startswith("gemma")
    plus_one = model.arch in PLUS_ONE
    tensors: Tensors = {}

    def add(name: str, shape: tuple[int, ...], deviation: float, mean: float = 0.0) -> None:
        scale = np.float32(round(deviation * math.sqrt(3.0), 4))
        tensors[name] = np.float32(mean) + scale * uniform(zlib.crc32(f"{model.name} {name}".encode()), shape)

    def norm(name: str, width: int, mean: float = 1.0) -> None:
        add(name, (width,), 0.15, 0.0 if plus_one else mean)

    def add_gated(at: str, width: int, parts: tuple[str, str, str]) -> None:
        for part, rows, columns in zip(parts, (width, width, d), (d, d, width)):
            add(f"{at}.{part}.weight", (rows, columns), 1.5 / math.sqrt(columns))

    def add_experts(at: str) -> None:
        mixtral = model.experts == "block_sparse_moe"
        if model.arch == "gpt-oss":
            count, layer = model["num_local_experts"], int(at.split(".")[2])
            add(f"{at}.router.weight", (count, d), 2.0 / math.sqrt(d))
            add(f"{at}.router.bias", (count,), 0.3)
            for part, width in (("gate_up_proj", 2 * ff), ("down_proj", d)):
                tensors[f"{at}.experts.{part}"] = mxfp4_floats(*mxfp4_experts(model, layer, part)).swapaxes(1, 2)
                add(f"{at}.experts.{part}_bias", (count, width), 0.3)
            return
        if model.stacked:
            count, shared = model["num_local_experts"], model.config.get("shared_intermediate_size", 0)
            add(f"{at}.router.layer.weight", (count, d), 2.0 / math.sqrt(d))
            add(f"{at}.input_linear.weight", (count, 2 * ff, d), 1.5 / math.sqrt(d))
            add(f"{at}.output_linear.weight", (count, d, ff), 1.5 / math.sqrt(ff))
            if isinstance(shared, int) and shared > 0:
                at = at.replace("block_sparse_moe", "shared_mlp")
                add(f"{at}.input_linear.weight", (2 * shared, d), 1.5 / math.sqrt(d))
                add(f"{at}.output_linear.weight", (d, shared), 1.5 / math.sqrt(shared))
            return
        count = model["num_local_experts" if mixtral else "num_experts"]
        add(f"{at}.gate.weight", (count, d), 2.0 / math.sqrt(d))
        for e in range(count):
            add_gated(f"{at}.experts.{e}", ff if mixtral else model["moe_intermediate_size"],
                      ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj"))
        if "shared_expert_intermediate_size" in model.config:
            add_gated(f"{at}.shared_expert", model["shared_expert_intermediate_size"], ("gate_proj", "up_proj", "down_proj"))
            add(f"{at}.shared_expert_gate.weight", (1, d), 1.0 / math.sqrt(d))

    def add_lfm2_layer(at: str, layer: int) -> None:
        for name in ("operator_norm", "ffn_norm"):
            norm(f"{at}{name}.weight", d)
        if model.convolves(layer):
            taps, biased = model["conv_L_cache"], bool(model.config["conv_bias"])
            for name, shape, strength in (("in_proj", (3 * d, d), 1.2 / math.sqrt(d)), ("conv", (d, 1, taps), 1.0), ("out_proj", (d, d), 1.2 / math.sqrt(d))):
                add(f"{at}conv.{name}.weight", shape, strength)
                if biased:
                    add(f"{at}conv.{name}.bias", shape[:1], 0.3)
        else:
            head, heads, kv_heads = model.head_dim, model["num_attention_heads"], model["num_key_value_heads"]
            for name, rows, columns in (("q_proj", heads * head, d), ("k_proj", kv_heads * head, d), ("v_proj", kv_heads * head, d), ("out_proj", d, heads * head)):
                add(f"{at}self_attn.{name}.weight", (rows, columns), 1.2 / math.sqrt(columns))
            norm(at + "self_attn.q_layernorm.weight", head)
            norm(at + "self_attn.k_layernorm.weight", head)
        if model.arch == "lfm2" or layer < model["num_dense_layers"]:
            add_gated(at + "feed_forward", ff, ("w1", "w3", "w2"))
            return
        add(at + "feed_forward.gate.weight", (model["num_experts"], d), 2.0 / math.sqrt(d))
        add(at + "feed_forward.expert_bias", (model["num_experts"],), 0.3)
        for e in range(model["num_experts"]):
            add_gated(f"{at}feed_forward.experts.{e}", model["moe_intermediate_size"], ("w1", "w3", "w2"))

    # Embedding and output scales: distinct greedy tokens. Query and key gain: attention that is neither flat nor a single spike.
    # A small tied embedding, or else every token would predict itself.
    add("model.embed_tokens.weight", (vocab, d), 0.5 / math.sqrt(d) if gemma else 0.2 if model.tied else 0.5)
    if not model.tied:
        add("lm_head.weight", (vocab, d), 3.0 / math.sqrt(d))
    size, layers = model.per_layer_size, model["num_hidden_layers"]
    if size > 0:
        add("model.embed_tokens_per_layer.weight", (vocab, layers * size), 0.3)
        add("model.per_layer_model_projection.weight", (layers * size, d), 1.0)
        norm("model.per_layer_projection_norm.weight", size)
    gain = 0.7 if model.qk_norm else 1.6
    for i in range(model["num_hidden_layers"]):
        at = f"model.layers.{i}."
        if model.is_lfm2:
            add_lfm2_layer(at, i)
            continue
        head = model.head_dim_of(i)
        q, kv = model["num_attention_heads"] * head, model.kv_heads_of(i) * head
        input_norms = model.input_norms and not model.whole_norms
        names = model.norm_names or tuple(
            name for name, wanted in (("input_layernorm", input_norms), ("post_attention_layernorm", True),
                                      ("pre_feedforward_layernorm", model.post_norms and input_norms),
                                      ("post_feedforward_layernorm", model.post_norms)) if wanted)
        for name in names:
            norm(f"{at}{name}.weight", d)
        attention = (("q", q, d, gain), ("k", kv, d, gain), ("v", kv, d, 1.0), ("o", d, q, 1.2))
        if i >= model.kv_layers:
            attention = tuple(part for part in attention if part[0] in "qo")
        if model.fused:
            attention = (("qkv", q + 2 * kv, d, 1.3), ("o", d, q, 1.2))
        for part, rows, columns, strength in attention:
            if part == "v" and model.is_full(i) and model.keys_are_values:
                continue  # values are the keys
            add(f"{at}self_attn.{part}_proj.weight", (rows, columns), strength / math.sqrt(columns))
            if (model.attention_bias and part != "o") or (model.output_bias and part == "o"):
                add(f"{at}self_attn.{part}_proj.bias", (rows,), 0.3)
        if model.arch == "gpt-oss":
            add(at + "self_attn.sinks", (model["num_attention_heads"],), 1.0, 1.0)
        if model.qk_norm or model.whole_norms:
            mean = 0.6 if model.arch == "gemma4" else 1.0  # attention is not scaled there
            norm(at + "self_attn.q_norm.weight", q if model.whole_norms else head, mean)
            if i < model.kv_layers:
                norm(at + "self_attn.k_norm.weight", kv if model.whole_norms else head, mean)
        if model.arch == "gemma4":
            add(at + "layer_scalar", (1,), 0.1, 0.8)
        if size > 0:
            add(at + "per_layer_input_gate.weight", (size, d), 1.0 / math.sqrt(d))
            add(at + "per_layer_projection.weight", (d, size), 1.0 / math.sqrt(size))
            norm(at + "post_per_layer_input_norm.weight", d)
        if model.config.get("enable_moe_block"):
            count, inner = model["num_experts"], model["moe_intermediate_size"]
            add(at + "router.proj.weight", (count, d), 2.0 / math.sqrt(d))
            add(at + "router.scale", (d,), 0.2, 4.0)
            add(at + "router.per_expert_scale", (count,), 0.2, 1.0)
            add(at + "experts.gate_up_proj", (count, 2 * inner, d), 1.5 / math.sqrt(d))
            add(at + "experts.down_proj", (count, d, inner), 1.5 / math.sqrt(inner))
            for name in ("pre_feedforward_layernorm_2", "post_feedforward_layernorm_1", "post_feedforward_layernorm_2"):
                norm(f"{at}{name}.weight", d)
        if model.experts and i not in model.config.get("mlp_only_layers", []):  # type: ignore[operator]
            add_experts(at + model.experts)
            continue
        inner = model.feed_forward_of(i)
        fused = (("gate_up", 2 * inner, d), ("down", d, inner))
        for part, rows, columns in fused if model.fused or model.fused_gate_up else (("gate", inner, d), ("up", inner, d), ("down", d, inner)):
            add(f"{at}mlp.{part}_proj.weight", (rows, columns), 1.0 / math.sqrt(columns))
            if model.mlp_bias:
                add(f"{at}mlp.{part}_proj.bias", (rows,), 0.2)
    norm("model.embedding_norm.weight" if model.is_lfm2 else "model.norm.weight", d)
    return tensors

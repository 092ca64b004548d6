#!/usr/bin/env python3
"""Writes tests/fixtures/tiny: tiny random models and what transformers says about them, computed in float64.

    make_tiny.py [NAME...]            writes the named models (default: all)
    make_tiny.py --check [NAME...]    computes the expected tensors of the folders again and compares

A folder NAME holds
    config.json            as transformers 5 writes it
    config.hub.json        the same model in the dialect of the hub
    model.safetensors      or two shards and their index
    expected.safetensors   ids.N, logits.N for N ids; types.N (classifiers); greedy.24, greedy.24.margins;
                           margins.N (where experts are routed), a number for every position: by how much the worst
                           chosen score of a router is above the best one that was not, at least, in standard deviations
                           of that router's scores; logits.bf16.N (fp8 blocks): with weights rounded to bf16
Weights are drawn so that every part matters: norm weights scatter, biases are not zero, attention is far from
uniform. The reference reads the stored weights back (fp8 blocks as value times scale, in float64), so rounding at
storage is not in it.
"""
import argparse
import json
import sys
import tempfile
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

from assembled import config_class, model_class
from exact import exact, only_float64, rope_as_written
from tiny_models import TINY

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "tiny"
TORCH_TYPE = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
GREEDY_STEPS, GREEDY_MARGIN, GREEDY_KINDS, ROUTER_MARGIN, TRIES_MAX = 24, 0.02, 6, 1e-4, 400
FP8_BLOCK, FP8_MAX = 128, 448.0


def folder_of(name):
    return (FIXTURES / TINY[name].at / name).resolve()


def is_classifier(config):
    return config["architectures"][0].endswith("SequenceClassification")


def is_generator(config):
    return config["architectures"][0].endswith("Generation") or config["architectures"][0].endswith("CausalLM")


def readable(config):
    """What transformers can read of a config: no quantisation, and true where the hub has 4 for it."""
    out = {k: readable(v) if isinstance(v, dict) else v for k, v in config.items() if k != "quantization_config"}
    return out | ({"attn_temperature_tuning": True} if out.get("attn_temperature_tuning") == 4 else {})


def config_of(hub):
    """The configuration object transformers makes of the hub's dialect."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(readable(hub)))
        return config_class(hub["architectures"][0]).from_pretrained(folder)


def text_of(config):
    """The part of a config that speaks of the language model."""
    return config.get("text_config", config)


# ---- weights ---------------------------------------------------------------------------------------------------------


def stored_shapes(config):
    """Names and shapes of the tensors of a checkpoint, as transformers saves them."""
    with tempfile.TemporaryDirectory() as folder:
        model_class(config.architectures[0])(config).save_pretrained(folder)
        return {k: tuple(v.shape) for k, v in load_file(Path(folder, "model.safetensors")).items()}


def deviation_and_mean(name, shape, model):
    """How the values of a tensor scatter, so that activations stay near 1 and no part of the model is idle."""
    if "e_score_correction_bias" in name:
        return 0.1, 0.0
    if "norm" in name.lower() and name.endswith("weight"):
        return 0.25, model.norm_center
    if name.endswith("bias"):
        return 0.3, 0.0
    if "embed" in name:
        return model.embed, 0.0
    if len(shape) < 2:
        return 0.5, 0.0
    if "lm_head" in name or "classifier" in name:
        return 2.0 / shape[1] ** 0.5, 0.0
    gain = 1.4 if any(part in name for part in ("q_proj", "k_proj", "query", "key", "gate", "up_proj")) else 1.0
    return gain / shape[1] ** 0.5, 0.0


def drawn(folder_name, name, shape, model):
    generator = torch.Generator().manual_seed(zlib.crc32(f"{folder_name}/{name}".encode()))
    deviation, mean = deviation_and_mean(name, shape, model)
    value = torch.randn(shape, generator=generator, dtype=torch.float64)
    for part, gain in model.gains.items():
        if part in name:
            deviation, mean = deviation * gain, mean if mean else (gain - 1 if "norm" in part else mean)
    return value * deviation + mean


def leftover_shapes(shapes, config):
    """A multi-token prediction layer after the last layer; of its experts the first only, to keep the file small."""
    last, hidden, vocab = config.num_hidden_layers - 1, config.hidden_size, config.vocab_size
    old, new = f"model.layers.{last}.", f"model.layers.{last + 1}."
    out = {k.replace(old, new): v for k, v in shapes.items() if k.startswith(old)}
    out = {k: v for k, v in out.items() if ".experts." not in k or ".experts.0." in k}
    extra = {"enorm": (hidden,), "hnorm": (hidden,), "eh_proj": (hidden, 2 * hidden), "shared_head.norm": (hidden,),
             "shared_head.head": (vocab, hidden), "embed_tokens": (vocab, hidden)}
    return out | {f"{new}{k}.weight": shape for k, shape in extra.items()}


def is_fp8(name, shape):
    return len(shape) == 2 and name.endswith("_proj.weight") or name.endswith("kv_a_proj_with_mqa.weight")


def fp8_blocks(value):
    """Quantises [N, K] in blocks of 128 x 128: (f8e4m3 [N, K], f32 scale [ceil(N / 128), ceil(K / 128)])."""
    rows, columns = (-(-n // FP8_BLOCK) for n in value.shape)
    scale, out = torch.zeros(rows, columns, dtype=torch.float32), torch.zeros(value.shape, dtype=torch.float8_e4m3fn)
    for i in range(rows):
        for j in range(columns):
            block = (slice(i * FP8_BLOCK, (i + 1) * FP8_BLOCK), slice(j * FP8_BLOCK, (j + 1) * FP8_BLOCK))
            scale[i, j] = value[block].abs().max() / FP8_MAX
            out[block] = (value[block] / scale[i, j].double()).to(torch.float32).to(torch.float8_e4m3fn)
    return out, scale


def stored_name(name, model):
    if model.old_names:
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    for begin, by in model.prefixes.items():
        if name.startswith(begin):
            return by + name[len(begin):]
    return name


def make_weights(name, model, config):
    """The tensors of the checkpoint as stored."""
    shapes = stored_shapes(config)
    if model.leftover_layer:
        shapes |= leftover_shapes(shapes, config)
    if model.leftover_head:
        shapes["lm_head.weight"] = (config.vocab_size, config.hidden_size)
    out = {}
    for tensor, shape in sorted(shapes.items()):
        value = drawn(name, tensor, shape, model)
        if model.store == "FP8" and is_fp8(tensor, shape) and "eh_proj" not in tensor:
            out[tensor], out[tensor + "_scale_inv"] = fp8_blocks(value)
        elif "e_score_correction_bias" in tensor:
            out[tensor] = value.to(torch.float32)
        else:
            out[stored_name(tensor, model)] = value.to(TORCH_TYPE.get(model.store, torch.bfloat16))
    if model.old_names:
        out["bert.embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None]
    return out


def write_weights(folder, model, tensors):
    meta = {"format": "pt"}
    if model.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata=meta)
        return
    files = [f"model-{i + 1:05}-of-{model.shards:05}.safetensors" for i in range(model.shards)]
    where = {k: files[i % model.shards] for i, k in enumerate(sorted(tensors))}
    for file in files:
        save_file({k: v for k, v in tensors.items() if where[k] == file}, folder / file, metadata=meta)
    total = sum(v.numel() * v.element_size() for v in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf8")


def write_configs(folder, model, config):
    with tempfile.TemporaryDirectory() as out:
        config.save_pretrained(out)
        new = json.loads(Path(out, "config.json").read_text())
    new |= {k: v for k, v in model.config.items() if k in ("architectures", "quantization_config")}
    write_json(folder / "config.json", new)
    write_json(folder / "config.hub.json", dict(sorted(model.config.items())))


# ---- the reference ---------------------------------------------------------------------------------------------------


def wide_weights(folder, rounds=False):
    """The stored weights in float64; fp8 blocks are multiplied out, and rounded to bf16 if `rounds`."""
    stored = {}
    for path in sorted(folder.glob("model*.safetensors")):
        stored |= load_file(path)
    out = {}
    for name, value in stored.items():
        if name.endswith("_scale_inv"):
            continue
        scale = stored.get(name + "_scale_inv")
        if scale is not None:
            scale = scale.double().repeat_interleave(FP8_BLOCK, 0).repeat_interleave(FP8_BLOCK, 1)
            value = value.double() * scale[:value.shape[0], :value.shape[1]]
            value = value.to(torch.bfloat16) if rounds else value
        out[name] = value.double() if value.is_floating_point() else value
    return out


def open_reference(folder, config_name, weights):
    """The model of a fixture folder in float64, from one of its two configurations and the weights in float64."""
    config = readable(json.loads((folder / config_name).read_text()))
    with tempfile.TemporaryDirectory() as copy:
        Path(copy, "config.json").write_text(json.dumps(config))
        save_file(weights, Path(copy, "model.safetensors"), metadata={"format": "pt"})
        architecture = config["architectures"][0]
        model, info = model_class(architecture).from_pretrained(
            copy, config=config_class(architecture).from_pretrained(copy), dtype=torch.float64,
            attn_implementation="eager", experts_implementation="eager", output_loading_info=True)
    beyond = f"model.layers.{text_of(config)['num_hidden_layers']}."
    faults = {kind: [n for n in names if beyond not in str(n) and not str(n).endswith("position_ids")]
              for kind, names in info.items()}
    assert not any(faults.values()), f"{folder.name}/{config_name}: {faults}"
    rope_as_written(model)
    return model.eval()


class RouterWatch:
    """The smallest distance between a chosen and a rejected score of any router: near ties make logits ill-defined."""

    def __init__(self, model):
        self.margin, self.rows, self.notes = float("inf"), None, False
        for module in model.modules():
            kind = type(module).__name__
            if kind.endswith("TopkRouter"):
                module.register_forward_hook(self.see_groups)
            elif kind.endswith("TopKRouter") or kind.endswith("Llama4Router"):
                module.register_forward_hook(self.see)

    def begin(self):
        self.margin, self.rows, self.notes = float("inf"), None, True

    def end(self):
        """The margin of every position since `begin`; None without routers."""
        self.notes = False
        return self.rows

    def note(self, gaps, scores):
        """The gap of every row in standard deviations of the scores; of all routers the smallest counts."""
        if not self.notes:
            return
        rows = gaps / scores.std()
        self.rows = rows if self.rows is None else torch.minimum(self.rows, rows)

    def see(self, module, args, out):
        """The scores are the first or the second of what the router gives; chosen is by the largest."""
        scores = out[1] if type(module).__name__ == "Llama4Router" else out[0].softmax(-1)
        best = scores.sort(-1, descending=True).values
        if module.top_k < best.shape[-1]:
            self.margin = min(self.margin, float((best[:, module.top_k - 1] - best[:, module.top_k]).min()))
            scores = out[1] if type(module).__name__ == "Llama4Router" else out[0]
            best = scores.sort(-1, descending=True).values
            self.note(best[:, module.top_k - 1] - best[:, module.top_k], scores)

    def see_groups(self, module, args, out):
        scores = out[0].sigmoid() + module.e_score_correction_bias
        groups = scores.view(scores.shape[0], module.num_group, -1)
        best = groups.topk(2, -1).values.sum(-1).sort(-1, descending=True).values
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, out[2], True)
        in_kept = chosen.view(groups.shape).any(-1, keepdim=True).expand(groups.shape).reshape(scores.shape)
        low = scores.masked_fill(~chosen, 9.0).min(-1).values
        high = scores.masked_fill(chosen | ~in_kept, -9.0).max(-1).values
        gaps = low - high
        if module.topk_group < module.num_group:
            gaps = torch.minimum(gaps, best[:, module.topk_group - 1] - best[:, module.topk_group])
        self.margin = min(self.margin, float(gaps.min()))
        self.note(gaps, scores)


def logits_of(model, ids, types=None):
    ids = torch.tensor([ids])
    with only_float64():
        if types is not None:
            return model(input_ids=ids, token_type_ids=torch.tensor([types])).logits
        return model(input_ids=ids, use_cache=False).logits[0]


def greedy(model, ids):
    """(24 new ids, distance of the two best logits at each step)."""
    ids, margins = list(ids), []
    for _ in range(GREEDY_STEPS):
        best = logits_of(model, ids)[-1].topk(2)
        ids.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return ids[-GREEDY_STEPS:], margins


def random_ids(name, length, vocab, attempt):
    generator = torch.Generator().manual_seed(zlib.crc32(f"{name}/ids/{length}/{attempt}".encode()))
    return torch.randint(3, vocab, (length,), generator=generator).tolist()


def expect_generator(name, model, lengths, vocab):
    """Ids are drawn again until no router decision and no greedy choice is a near tie."""
    out, watch = {}, RouterWatch(model)
    for length in lengths:
        for attempt in range(TRIES_MAX):
            ids = random_ids(name, length, vocab, attempt)
            watch.begin()
            logits, rows = logits_of(model, ids), watch.end()
            if watch.margin < ROUTER_MARGIN * (41 / length):
                continue
            if length != lengths[0]:
                break
            new, margins = greedy(model, ids)
            if min(margins) > GREEDY_MARGIN and len(set(new)) >= GREEDY_KINDS:
                out["greedy.24"], out["greedy.24.margins"] = torch.tensor(new, dtype=torch.int32), torch.tensor(margins)
                break
        else:
            raise RuntimeError(f"{name}: no ids of length {length} without near ties in {TRIES_MAX} tries")
        out[f"ids.{length}"], out[f"logits.{length}"] = torch.tensor(ids, dtype=torch.int32), logits
        if rows is not None:
            out[f"margins.{length}"] = rows
    return out


def expect_scores(name, model, lengths, vocab):
    out = {}
    for length in lengths:
        ids = random_ids(name, length, vocab, 0)
        out[f"ids.{length}"], out[f"logits.{length}"] = torch.tensor(ids, dtype=torch.int32), logits_of(model, ids)
    return out


def expect_classifier(name, model, lengths, vocab):
    out = {}
    for length in lengths:
        ids = random_ids(name, length, vocab, 0)
        types = [int(i >= length // 2) for i in range(length)]
        out[f"ids.{length}"], out[f"types.{length}"] = (torch.tensor(v, dtype=torch.int32) for v in (ids, types))
        out[f"logits.{length}"] = logits_of(model, ids, types)
    return out


def expected_of(name, folder):
    """The expected tensors; both configurations must give the same bits."""
    tiny, weights = TINY[name], wide_weights(folder)
    rounded = wide_weights(folder, rounds=True) if tiny.store == "FP8" else None
    with exact():
        expect = expect_generator if is_generator(tiny.config) else expect_scores
        expect = expect_classifier if is_classifier(tiny.config) else expect
        model = open_reference(folder, "config.hub.json", weights)
        out = expect(name, model, tiny.lengths, text_of(tiny.config)["vocab_size"])
        other = open_reference(folder, "config.json", weights)
        for length in tiny.lengths:
            types = out.get(f"types.{length}")
            again = logits_of(other, out[f"ids.{length}"].tolist(), None if types is None else types.tolist())
            assert torch.equal(again, out[f"logits.{length}"]), f"{name}: the two configurations differ"
        if rounded:
            other = open_reference(folder, "config.json", rounded)
            out |= {f"logits.bf16.{n}": logits_of(other, out[f"ids.{n}"].tolist()) for n in tiny.lengths}
    return {k: v.to(torch.float32).contiguous() if v.is_floating_point() else v for k, v in out.items()}


# ---- commands --------------------------------------------------------------------------------------------------------


def make(name):
    model, folder = TINY[name], folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(model.config)
    write_configs(folder, model, config)
    write_weights(folder, model, make_weights(name, model, config))
    save_file(expected_of(name, folder), folder / "expected.safetensors")
    report(name, load_file(folder / "expected.safetensors"))
    return True


def check(name):
    old = load_file(folder_of(name) / "expected.safetensors")
    new = expected_of(name, folder_of(name))
    same = old.keys() == new.keys() and all(
        torch.allclose(old[k], new[k], rtol=0, atol=2e-6 * deviation(old[k])) if old[k].is_floating_point()
        else torch.equal(old[k], new[k]) for k in old)
    print(f"{name:22} {'ok' if same else 'DIFFERS'}")
    return same


def deviation(values):
    """Of a single number its size."""
    return float(values.std()) if values.numel() > 1 else float(values.abs())


def report(name, expected):
    size = sum(p.stat().st_size for p in folder_of(name).iterdir())
    deviations = " ".join(f"{k} {deviation(v):.2f}" for k, v in sorted(expected.items()) if k.startswith("logits"))
    margin = f" margin {float(expected['greedy.24.margins'].min()):.3f}" if "greedy.24.margins" in expected else ""
    print(f"{name:22} {size / 1000:6.0f} KB  deviation: {deviations}{margin}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(TINY))
    parser.add_argument("--check", action="store_true", help="compare with what is stored, write nothing")
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in TINY]
    if unknown:
        parser.error(f"no such model: {' '.join(unknown)} (there is: {' '.join(TINY)})")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    results = [(check if options.check else make)(name) for name in options.names or TINY]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

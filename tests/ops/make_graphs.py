#!/usr/bin/env python3
"""Writes tests/ops/graphs/*.ir: small decoders that together use every op and format the cpu target compiles."""
from pathlib import Path

HERE = Path(__file__).parent / "graphs"


def layer(model, index):
    p, lines = f"l{index}.", []
    heads, groups, head, width, inner = (model[k] for k in ("heads", "groups", "head", "width", "inner"))
    window = model["windows"][index]
    normed = model.get("norms", False)

    def weight(name, *dims):
        kind = model["format"] if len(dims) > 1 else "f32"
        lines.append(f'  weight %{p}{name} : {kind}[{",".join(map(str, dims))}] = tensor("{p}{name}")')

    def op(text):
        lines.append("  " + text.replace("%.", "%" + p))

    span = f", span={window}" if window else ""
    op(f"state %.kv : {'window' if window else 'full'} {{heads={groups}, key={head}, value={head}{span}}}")
    for name in ("n1", "n2") + (("n3", "n4") if normed else ()):
        weight(name, width)
    if normed:
        weight("qn", head)
        weight("kn", head)
    for name, rows, columns in (("wq", heads * head, width), ("wk", groups * head, width), ("wv", groups * head, width),
                                ("wo", width, heads * head), ("wg", inner, width), ("wu", inner, width),
                                ("wd", width, inner)):
        weight(name, rows, columns)
    if model.get("bias"):
        weight("bq", heads * head)
        weight("bk", groups * head)
    for x in model.get("mlp_bias", ""):
        weight(f"b{x}", inner)
    offset = ", offset=1" if normed else ""
    before = f"%l{index - 1}.h2" if index else "%h"
    op(f"%.n = rmsnorm {before}, %.n1 {{eps=1e-05{offset}}}")
    for x, count in (("q", heads), ("k", groups), ("v", groups)):
        bias = f", %.b{x}" if model.get("bias") and x != "v" else ""
        op(f"%.{x}0 = linear %.n, %.w{x}{bias}")
        op(f"%.{x}1 = split_heads %.{x}0 {{heads={count}}}")
    style = " {style=interleaved}" if model.get("interleaved") else ""
    for x in "qk":
        if normed:
            op(f"%.{x}m = rmsnorm %.{x}1, %.{x}n {{offset=1}}")
        op(f"%.{x}r = rope %.{x}{'m' if normed else '1'}, %pos, %rope{style}")
    window_text = f", window={window}" if window else ""
    op(f"%.a = attention %.qr, %.kr, %.v1, %.kv {{scale={head ** -0.5}{window_text}}}")
    op("%.am = merge_heads %.a")
    op("%.o = linear %.am, %.wo")
    if normed:
        op("%.on = rmsnorm %.o, %.n3 {offset=1}")
    op(f"%.h1 = add {before}, %.{'on' if normed else 'o'}")
    op(f"%.nn = rmsnorm %.h1, %.n2 {{eps=1e-05{offset}}}")
    for x in "gu":
        bias = f", %.b{x}" if x in model.get("mlp_bias", "") else ""
        op(f"%.{x} = linear %.nn, %.w{x}{bias}")
    op(f"%.m = glu %.g, %.u {{kind={model.get('act', 'silu')}}}")
    op("%.d = linear %.m, %.wd")
    if normed:
        op("%.dn = rmsnorm %.d, %.n4 {offset=1}")
    op(f"%.h2 = add %.h1, %.{'dn' if normed else 'd'}")
    return lines


def write(name, model, folder=HERE):
    pairs = model.get("pairs", model["head"] // 2)
    table = ", ".join(repr(10000 ** (-i / pairs)) for i in range(pairs))
    vocabulary, width = model["vocabulary"], model["width"]
    lines = ["graph @step(T, S, R) {", "  input %ids : i32[T]", "  input %pos : i32[T]", "  input %rows : i32[R]",
             f'  weight %embed : {model["format"]}[{vocabulary},{width}] = tensor("embed")',
             f'  weight %nw : f32[{width}] = tensor("nw")', f"  table %rope : f32[{pairs}] = [{table}]",
             "  %e = embed %ids, %embed", "  %h = scale %e {by=3}"]
    for index in range(len(model["windows"])):
        lines += layer(model, index)
    lines += [f"  %last = select_rows %l{len(model['windows']) - 1}.h2, %rows",
              "  %fn = rmsnorm %last, %nw {eps=1e-05}", "  %scores = linear %fn, %embed"]
    if model.get("cap"):
        lines.append(f"  %capped = softcap %scores {{cap={model['cap']}}}")
    lines += [f"  output logits = %{'capped' if model.get('cap') else 'scores'}", "}"]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.ir").write_text("\n".join(lines) + "\n")


DENSE = dict(head=24, heads=6, groups=2, width=96, inner=200, vocabulary=150, windows=(0, 0))
write("dense_f32", dict(DENSE, format="f32", inner=520))
write("dense_bf16", dict(DENSE, format="bf16", bias=True, mlp_bias="gu", inner=601))
write("dense_q8g32", dict(DENSE, format="q8g32", bias=True, mlp_bias="u", width=128, head=32, heads=4,
                          inner=576))
write("norms_f32", dict(DENSE, format="f32", norms=True, windows=(24, 0), cap=20, head=32, heads=4, groups=1, width=80,
                        inner=144, act="gelu_tanh"))
write("interleaved_f16", dict(DENSE, format="f16", interleaved=True, windows=(0, 70), head=16, heads=4, groups=4,
                              width=64, pairs=4))
write("wide_f32", dict(DENSE, format="f32", head=100, heads=18, groups=1, width=64, inner=64, windows=(0,)))
write("apart_bf16", dict(DENSE, format="bf16", head=66, heads=3, groups=1, width=70, inner=131, norms=True,
                         windows=(24,)))
write("dense", dict(format="bf16", head=64, heads=8, groups=2, width=512, inner=1408, vocabulary=4096, windows=(0, 0)),
      HERE.parent / "traffic")

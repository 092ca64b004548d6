"""Texts that make_seeds.py makes seeds of: small changes and inputs that random changes rarely come to."""

# Patterns of tokenizers.
REGEXES = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}{2,}|\d",
    r"[一-龥]+|[a-c\-\]x]+|(?:ab|c)*d{2}|\w\W\S.|\x{41}|\u0042|\t\.",
    r"[^\x00-a]|[\x{0}-b\d-]|[\x{10FFFF}]|\x4a\x4A\u00E9|\n\r\t\f\v\a\e|\D|[]a]|[^]b]",
    r"(?i:K[a-z-]s|(?-i:b\s)|[^a])|a$|(?=\d)2|a{2,}",
    r"\p{Letter}|\P{Han}\p{Hiragana}|\p{Lowercase_Letter}|\p{^L}\p{Cyrillic}|(a|b)*a(a|b){3}",
)

# Patterns that are refused, or nearly.
REGEX_FAULTS = (
    "a\\", "[a", "[[a]]", "[a&&b]", r"[\d-z]", r"[a-\d]", "[z-a]", "(" * 33, "(?<a>b)", "(?", "(?i", "(a", "(?=a",
    "(?=ab)", *(rf"\x{brace}{c}" for brace in ("", "{", "4") for c in "/:@G`g"), *(rf"\u{c}" for c in "/:@G`g"),
    *(f"(?i:{pair})" for pair in ("fj", "fa", "sa", "fs", "f/", "Ff", "fF", "FL", "Fi")), "(?:)", "a||b", "a{2,}?",
    "b{,3}", "c{2}{1,2}", "(?:a*)*", "a)", "(?i:a", "^a", "*a", "+a", "?", "{2}", "a{", "a{,}", "a{2,1}", "a{1001}",
    "a{1,1001}", "a{99999}", r"(?i:\p{L})", "(?i:é)", "(?i:[é])", "(?i:ss)", "(?i:sT)", "(?i:ff)", "(?i:fi)",
    "(?i:fL)", r"\x{}", r"\x{110000}", r"\x{D800}", r"\x{41", r"\x4", r"\xff", r"\u004", r"\q", r"\p", r"\p{",
    r"\p{X}", r"\pL", r"\p{L", "a" * 8193, "(?:a{1000}){9}", "(?:a|b)*a(?:a|b){13}",
    *(f"{first}{'a{1000}' * 8}a{{{count}}}" for count in range(187, 192)  # as large as can be, or larger
      for first in ("a*", "a?", "(?:a|b)", "(?:ab|cd)", "(?=a)", "a{2,4}", "(?:ab)*", "(?:a|b)*", "(?:ab){2}", "a$")),
    "".join(map(chr, range(0x4e00, 0x4f00))), "".join(map(chr, range(0x4e00, 0x4f01))), "",
)

# Expressions at limits and with rare kinds of operands; some are refused.
EXPRESSIONS = (
    "(" * 60, "-" * 60 + "1", "not " * 60 + "1", "[" * 60, "2 ** " * 60 + "2", "1 if true else " * 60 + "1",
    "min(" * 60, "[" + "1," * 4100 + "1]", "min(1, 2, 3, 4, 5, 6, 7, 8, 9)", "null[0]", "config.nil[0]",
    "config.list['a']", "config.sub['deep']", "config.sub['deep'].k", "[1, 2][-1]", "[1, 2][2]", "[1, 2][0.5]",
    "[1, 2][1.0]", "'ab'[0]", "config.list[0.5]", "2 ** -1", "2 ** 0.5", "3 ** 40", "3 ** 41", "-2 ** 2",
    "9223372036854775807 + 1", "-9223372036854775807 - 2", "9223372036854775807 * 2", "7 // -2", "-7 % 3",
    "7.5 // 2", "7.5 % 2", "'a' in 'banana'", "'' in 'a'", "'x' in config.list", "2.5 in config.list",
    "1 in config.sub", "1 in 1", "max([])", "min([])", "sum([])", "sum(config.list)", "max(['a'])", "min('a')",
    "min([1, 2.5])", "max(config.list)", "sum([1, 2.5])", "len('abc')", "len([1])", "len(config.sub)", "len(1)",
    "floor(1e300)", "ceil(-2.5)", "round(2.5)", "floor('a')", "int(config.r)", "abs(-2)", "abs(-2.5)", "range(3)",
    "range(-1)", "range(2.5)", "[null, true, 'a']", "config.sub", "config", "config.nil", "config.yes", "true == 1",
    "[1] == [1.0]", "'a' < 'b'", "'a' < 1", "config.sub == config.sub", "config.nil == null",
    "config.list == config.list", "has(1)", "has(config.absent.x)", "config.absent ?? config.nil ?? 3", "1 ?? 2",
    "not 1", "1 and 0", "'a' or 1", "1e", "1e+", ".5", "5.", "0x1", "1_000", "a b", "config.", "config.1", "'a",
    "\"a\"", "1 <", "1 < 2 < 3", "1 == ", "is", "not", "1 not in [1]", "1 in", "if", "else", "1 if", "1\t+\n2",
    "[1, 2", "[1,]", "[,]", "min(,)", "min(1", "min 1", "@", "1 # 2", "é", "nope.a", "range(3)[1]", "(1)(2)",
    "config.list.a", "config.t.a", "config.i[0]",
    *(f"{name}('a')" for name in "abs ceil cos exp int log real round sin sqrt".split()),
    "abs(-9223372036854775807 - 1)", "sum([9223372036854775807, 1])", "sum([1, 'a'])", "round_up('a', 1)",
    "round_up(1, 'a')", "round_up(1, 0)", "round_up(9223372036854775807, 2)", "1 ** 70", "starts_with(1, 'a')",
    "starts_with('a', 1)",
)

# Templates with what is not supported, limits, and each test of all kinds; the rest is in make_templates.py.
KINDS = ("[s, n, f, nil, l, d, yes, no, big, range(2), missing, namespace(), cycler(1), joiner(), 'a' | safe, (1,), "
         "s.upper, raise_exception, l | map('upper')]")
TESTS_OF_KINDS = ("defined undefined none boolean true false integer float number string escaped mapping iterable "
                  "sequence callable odd even lower upper").split()
TEMPLATES = (
    "{{ l | batch(2, none) | list }}", "{{ l | slice(2) | list }}", "{{ '1e30' | int(3) }}", "{{ huge | int }}",
    "{{ '99999999999999999999' | int }}", "{{ '99999999999999999999' | int(1, 16) }}", "{{ 2.567 | round(400) }}",
    "{{ huge | round(17) }}{{ -2.567 | round(1) }}", "{{ 2.5 | round(-1) }}", "{{ (1e308 * 10) | round(1) }}",
    "{{ (1e308 * 10) | int }}", "{{ (1e308 * 10 - 1e308 * 10) | int }}", "{{ '%.*f' % (2, f) }}",
    "{{ '%*d' % (5, n) }}",
    "{{ '%#x' % 255 }}", "{{ '%#o' % 8 }}", "{{ '%d' % 1e30 }}", "{{ '%d' % -1e30 }}", "{{ '%d' % (1e308 * 10) }}",
    "{{ '%u' % 1 }}", "{{ '%X %e %E %g %G' % (255, 1.5, 1.5, 1.5, 1.5) }}", "{{ '%c %r %a' % ('c', 'r', 'e') }}",
    "{{ {18446744073709551616: 1} }}", "{{ {big: 1}[big] }}{{ big == big }}{{ big == tiny }}{{ big is sameas big }}",
    "{{ {1e16: 1, 2.5: 2, -1e16: 3}[2.5] }}", "{{ {1e300: 2}[1e300] }}{{ {-1e300: 2}[-1e300] }}",
    "{{ {namespace(): 1} }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) % -1 }}",
    "{{ -(-9223372036854775807 - 1) }}", "{{ (-9223372036854775807 - 1) | abs }}", "{{ '\\uD800' }}",
    "{% set nan = 1e308 * 10 - 1e308 * 10 %}{{ nan < 1 }}{{ nan == nan }}{{ 1 > nan }}{{ -nan }}{{ nan | tojson }}",
    "{% set inf = 1e308 * 10 %}{{ inf }}{{ -inf }}{{ [inf, -inf] | tojson }}{{ '%f %d' % (inf, inf) }}",
    "{{ u.swapcase() }}",
    "{{ range(0, 9223372036854775807, 4611686018427387904) | list }}",
    "{{ x.y.z }}{{ s.__class__ }}{{ s | attr('_x') }}",
    "{{ range(-9223372036854775807 - 1, 9223372036854775807) | length }}", "{{ ''.join }}{{ l.append(1) }}",
    *(f"{{% for x in {KINDS} %}}{{{{ x is {test} }}}}{{% endfor %}}" for test in TESTS_OF_KINDS),
    *(f"{{{{ x{'}}{{ x'.join(map(str, range(count)))} }}}}" for count in (4000, 4200)),
    *("{{ strftime_now('%" + "|%".join("aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%q") + "') }}" + " " * count
      for count in range(0, 40, 3)),
)

# Graphs of models are changed so: other ways to fuse them, or none.
GRAPH_CHANGES = (
    (r"(%l0\.w[kud]\w* : )bf16", r"\1f16"), (r"(%l1\.w\w* : )bf16", r"\1q8g32"),
    (r"glu (%\S+), (%\S+)", r"glu \2, \1"), (r"add (%\S+), (%\S+)", r"add \2, \1"),
    (r"(= attention .*\{)", r"\1mask=full, "), (r"(attention .*), %\S+kv ", r"\1 "),
    (r"(%l1\S+ = rope [^{]*?) :", r"\1 {factor=0.5} :"), (r"(%l0\S+ = rope [^{]*?) :", r"\1 {style=interleaved} :"),
    (r"linear (%\S+), (%\S+), %\S+", r"linear \1, \2"), (r"rmsnorm (%\S+), [^{:]*", r"rmsnorm \1 "),
    (r"rmsnorm (%\S+, %\S+)", r"layernorm \1"), (r"output (\w+) = (\S+)", r"output \1 = \2\n  output other = \2"),
    (r"(?s)select_rows.*", "}\n"), (r"(%l0\.wq .*\n)", r"\1  %first = act %h {kind=silu}\n"),
    (r"%l0\.attn\.norm,", "%h,"), (r"%l0\.mlp\.up,", "%l0.mlp.gate,"),
)

# No UTF-8.
UTF8_FAULTS = [bytes.fromhex(text) for text in (
    "80 c1bf c320 c3c0 e09fbf e0c0bf e17fbf e1bf20 e1bfc0 eda080 ef80c0 f08fbfbf f1802080 f1808020 f1c08080 f4908080 "
    "f5808080 ff c3 e180 f18080").split()]

# Texts of the small description of lower_test.c, and what is put in place of each.
DESCRIPTION_CHANGES = {
    "  j: 1\n": (
        "  j: c0\n" + "".join(f"  c{i}: c{i + 1}\n" for i in range(30)) + "  c30: 1\n",
        "".join(f"  c{i}: 1\n" for i in range(260)), "  j: [1, 2]\n", "  j: {a: 1}\n"),
    "length: width // 2": (
        "length: 'a'", "length: 0", "length: 9999999", "length: config.absent", "length: [1]"),
    "value: b * width": (
        "value: 1 / 0", "value: 'x'", "value: 1e300 * 1e300", "value: 1e39", "value: config.absent", "value: j"),
    "let: {b: a + a, a: j + 0.5}": (
        "let: {b: a, a: b}", "let: [1]", "let: {" + ", ".join(f"a{i}: {i}" for i in range(40)) + ", b: 1}"),
    "[vocabulary, width]": (
        "width", "[1, 2, 3, 4, 5, 6]", "[]", "[config.absent]", "['x']", "[1.5]", "{a: 1}",
        "[9223372036854775807, 9223372036854775807]", "[vocabulary * 2, width]"),
    "when: false": (
        "when: 'x'", "optional: true", "optional: 1", "when: i", "when: [1]", "unless: false"),
    "from: gone": (
        "from: [gone, \"other.{i}\"]", "from: \"stack(tensor(\\\"l.{e}\\\"), 2)\"", "from: \"{prefix}x\"",
        "from: \"{\"", "from: \"{i\"", "from: \"}\"", "from: []", "from: \"concat(a, b)\"",
        "from: \"slice(tensor(\\\"a\\\"), 0, 0, 1)\"", "from: \"{config.absent}\"", "from: \"{1 / 0}\"",
        "from: {a: b}"),
    "tied: {to: embed, when: true}": (
        "tied: {to: nope, when: true}", "tied: {to: embed}", "tied: embed", "tied: {when: true}",
        "tied: {to: embed, when: 'x'}", "tied: {to: embed, when: false}"),
    "ignore: {config: ['*']}": (
        "ignore: {config: ['*'], tensors: ['*', 'a*b*', 'l.{i}']}", "ignore: [a]",
        "ignore: {config: [architectures, dtype, sub]}"),
    "ignore:": (
        "prefix: [a., '']\nignore:",),
    "task: generate\n": (
        "task: generate\ninclude: [common, common]\n", "include: common\n", "task: generate\ninclude: [nope]\n",
        "task: generate\ninclude: [1, {a: b}]\n"),
    "for i in 0..layers {": (
        "for i in 'a'..2 {", "for i in -1..2 {", "for i in 2..1 {", "for i in 0..config.absent {", "for 1 in 0..2 {",
        "for i of 0..2 {", "for i in 0..2..3 {", "for i in 0.5..2 {", "for i in ..2 {", "for i in 0.. {", "for i {",
        "for j in 0..2 {", "for layers in 0..2 {", "for i in '..'..2 {", "for i in [0..1][0]..2 {"),
    "use two as mlp(x=%h, w='down')": (
        "use two as mlp(x=%h, w=[1, 2][0])", "use two as mlp(x=%h, w=\"do,wn\")", "use two as mlp(=1)",
        "use two as mlp(x)", "use two as mlp(x=)", "use two as", "use two as mlp(x=%h, w=('down'))",
        "use two as mlp(x=%h,, w='down')", "use two as mlp(x=%h", "use two as 1(x=%h)",
        "use two as mlp.a(x=%h, w='up')", "use two as mlp(x=%h, w='down') x", "use two as mlp()", "use 1 as mlp()",
        "use two as mlp(x=%h, x=%h)", "use two as mlp(x=%h, w={a})",
        "use " + "two as mlp(" + ", ".join(f"a{i}={i}" for i in range(70)) + ")"),
    "    when inner > 4 {\n": (
        "    when inner > 4 {\n" + "when true {\n" * 20 + "}\n" * 20,),
    "when inner > 4 {": (
        "when 'x' {", "when  {", "when 1 / 0 {", "when [1] {", "when not has(config.x) {", "when '{' == '}' {"),
    "} else {": (
        "} else", "} otherwise {", "}\n else {", "} else {\n} else {", "else {", "} # else {"),
    "%h = embed %ids, @embed": (
        "%h = embed %ids, @", "%h = embed %ids, @nope", "%h = embed %ids, @ramp", "%h = embed %ids, @gone",
        "%h = embed %ids, @$j", "%h = embed %ids, @${'embed'}", "%h = embed %ids, @${", "%h = embed %ids, $",
        "%h = embed %ids, ${}", "%h = embed %ids, ${config}", "%h = embed %ids, ${[1]}", "%h = embed %ids, ${null}",
        "%h = embed %, @embed", "%h = embed " + "%ids, @embed " + "${j}" * 130,
        "%h = embed " + "%ids, @embed " + "x" * 4097, "%h = embed %ids, @embed \"#\" # \"",
        "%h = embed %ids, @embed {a=\"${j}\\\"#\"}"),
}


def summed(values):
    """Statements that add up all of a list of values, in %b."""
    parts = [f"%b{i} = add {f'%b{i - 1}' if i else values[0]}, {value}" for i, value in enumerate(values[1:])]
    return "; ".join([*parts, f"%b = act %b{len(parts) - 1} {{kind=relu}}"])


# Graphs for what models do not have: one statement after `;`. Those of the first list are for the verifier and the
# shapes, those of the second for fusing; each of these begins with what it names of FUSED, then
# %h is the embedding, and ends with the output of %y; `output` stands for a matmul of some rows.
GRAPHS = (
    *(f"input %q : f32[T,{q}]; input %p : i32[T]; table %f : f32[{n}] = [{', '.join('1' * n)}]; "
      f"%y = rope %q, %p, %f {a}"
      for q, n, a in (
          ("2,8", 4, "{factor=0.5}"), ("S,8", 4, ""), ("2,S", 4, ""), ("2,8", 5, ""), ("2,8", 4, "{factor=0}"))),
    *(f"input %q : f32[T,{q}]; input %k : f32[T,{k}]; input %v : f32[T,{v}]; %y = attention %q, %k, %v {{{a}}}"
      for q, k, v, a in (
          ("4,8", "2,8", "2,6", "scale=1, mask=full"), ("S,8", "2,8", "2,6", "scale=1"),
          ("0,8", "0,8", "0,6", "scale=1"), ("4,S", "2,S", "2,6", "scale=1"), ("4,8", "2,8", "2,S", "scale=1"),
          ("4,8", "3,8", "3,6", "scale=1"), ("4,8", "2,8", "2,6", "scale=0"),
          ("4,8", "2,8", "2,6", "scale=1, softcap=-1"), ("4,8", "2,8", "2,6", "scale=1, window=-1"),
          ("4,8", "2,8", "2,6", "scale=1, chunk=-1"), ("4,8", "2,8", "2,6", "scale=1, window=2000000000000"),
          ("4,8", "2,8", "2,6", "scale=1, chunk=2000000000000"), ("4,8", "2,8", "2,6", "scale=1, window=1, chunk=1"),
          ("4,8", "S,8", "S,6", "scale=1"))),
    *(f"state %c : {kind}; input %q : f32[T,4,8]; input %k : f32[T,2,8]; input %v : f32[T,2,6]; "
      f"%y = attention %q, %k, %v, %c {{scale=1{a}}}"
      for kind, a in (
          ("latent {heads=1, key=8, value=6}", ""), ("full {heads=2, key=8, value=6}", ", mask=full"),
          ("cross {heads=2, key=8, value=6}", ""), ("window {heads=2, key=8, value=6, span=4}", ""),
          ("window {heads=2, key=8, value=6, span=4}", ", window=5"), ("chunk {heads=2, key=8, value=6, span=4}", ""),
          ("full {heads=2, key=8, value=6}", ", window=4"), ("full {heads=2, key=8, value=6}", ", chunk=4"),
          ("full {heads=3, key=8, value=6}", ""), ("full {heads=2, key=9, value=6}", ""),
          ("full {heads=2, key=8, value=7}", ""), ("chunk {heads=2, key=8, value=6, span=4}", ", chunk=4"))),
    *(f"state %c : {kind}; input %q : f32[T,{q}]; input %r : f32[T,{r}]; input %l : f32[T,{c}]; input %k : f32[T,{k}]; "
      f"weight %w : f32[{w}] = tensor(\"w\"); "
      f"weight %v : f32[2,4,6] = tensor(\"v\"); %y = latent_attention %q, %r, %l, %k, %w, %v, %c {{scale={s}}}"
      for kind, q, r, c, k, w, s in (
          ("latent {heads=1, key=6, value=2}", "2,8", "2,2", "6", "2", "2,6,8", "1"),
          ("latent {heads=1, key=6, value=2}", "S,8", "S,2", "6", "2", "2,6,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,S", "2,2", "6", "2", "2,6,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,8", "2,2", "S", "2", "2,S,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,8", "2,S", "6", "S", "2,6,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,8", "2,2", "6", "2", "2,7,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,8", "2,2", "6", "2", "3,6,8", "1"),
          ("latent {heads=1, key=6, value=2}", "2,8", "2,2", "6", "2", "2,6,8", "0"),
          ("latent {heads=1, key=7, value=2}", "2,8", "2,2", "6", "2", "2,6,8", "1"),
          ("latent {heads=1, key=6, value=3}", "2,8", "2,2", "6", "2", "2,6,8", "1"),
          ("full {heads=2, key=8, value=4}", "2,8", "2,2", "6", "2", "2,6,8", "1"))),
    *(f"input %x : f32[T,{e}]; %y = group_topk %x {{{a}}}"
      for e, a in (
          ("8", "k=2"), ("S", "k=2"), ("0", "k=2"), ("8", "k=0"), ("8", "k=9"), ("8", "k=2, groups=3"),
          ("8", "k=2, groups=0"), ("8", "k=2, groups=4, groups_kept=0"), ("8", "k=2, groups=4, groups_kept=5"),
          ("8", "k=3, groups=4"), ("8", "k=2, groups=4, groups_kept=2, group_best=0"),
          ("8", "k=2, groups=4, groups_kept=2, group_best=3"))),
    *(f"input %x : f32[{a}]; input %z : f32[{b}]; %y = {op}"
      for a, b, op in (
          ("", "", "concat %x, %z"), ("T", "S", "concat %x, %z"), ("T,4", "S,4", "concat %x, %z"),
          ("T,4", "T,S", "concat %x, %z"), ("T,4", "4", "concat %x, %z"), ("", "", "slice %x {begin=0, end=1}"),
          ("T", "T", "slice %x {begin=0, end=1}"), ("T,4", "T", "slice %x {begin=1, end=1}"),
          ("T,4", "T", "slice %x {begin=-1, end=1}"), ("T,4", "T", "slice %x {begin=1, end=5}"),
          ("T,4", "T", "slice %x {begin=1, end=3}"), ("T,S,S", "T", "merge_heads %x"),
          ("T,1048576,1099511627776", "T", "merge_heads %x"), ("T,2,S", "T", "merge_heads %x"),
          ("T,S,3", "T", "merge_heads %x"), ("T,S", "T", "split_heads %x {heads=2}"),
          ("T,6", "T", "split_heads %x {heads=4}"), ("T,6", "T", "split_heads %x {heads=0}"),
          ("T,2*T+3*S+R+7", "T,7+3*S+2*T+R", "add %x, %z"), ("T,S", "T,R", "mul %x, %z"),
          ("T,2*S", "T,S+1", "add %x, %z"), ("T,4", "T,2", "combine %x"), ("T,2,4", "T,2", "combine %x, %z"),
          ("T,4,2", "T,2", "scale_choices %x, %z"), ("T,1,1,1,1,1", "T", "act %x {kind=relu}"),
          ("T,1,1,1,1,1,1", "T", "softmax %x"), ("1099511627776,1099511627776,1099511627776", "T", "softmax %x"),
          ("T,1099511627776", "T", "scale %x {by=1e-40}"), ("T,4", "T", "softcap %x {cap=0}"),
          ("T,4", "T", "normalize %x {eps=-1}"), ("T,4", "T", "layernorm %x, _ {eps=-1}"),
          ("T,4", "T", "scale %x {by=-0.1}"), ("T,4", "T", "scale %x {by=123456789012345678}"),
          ("T,4", "T", "scale %x {by=1e22}"), ("T,4", "T", "scale %x {by=4.9e-324}"),
          ("T,4", "T", "scale %x {by=0.30000000000000004}"), ("T,4", "T", "take %x, %x"))),
    *(f"input %i : i32[T]; weight %w : {f}[{n},{k}] = tensor(\"w\"); %h = embed %i, %w; %y = linear %h, %w"
      for f, n, k in (
          ("q8", 256, 256), ("q8g32", 256, 256), ("q4g128z", 256, 256), ("q4g128zp", 256, 256), ("f8b128", 256, 256),
          ("nvf4", 256, 256), ("mxf4", 256, 256), ("i32", 4, 4), ("q4g64", 3, 65), ("f8b128", 100, 100), ("q4", 0, 0),
          ("f32", 1099511627776, 1099511627776), ("q4", 1099511627776, 1099511627776), ("f16", "S", 8))),
    *(f"input %i : i32[T]; weight %w : f32[6,4] = {w}; %y = embed %i, %w"
      for w in (
          'concat(tensor("a"), tensor("b"))', 'concat(0, tensor("a"), tensor("b"))', 'stack(tensor("a"), 2)',
          'slice(tensor("a"), 0, 6)', 'slice(tensor("a"), 0, 0, 6)', 'slice(0, tensor("a"), 2, 8)',
          'transpose(tensor("a"))', 'transpose(transpose(tensor("a")))', 'dequant(tensor("a"), tensor("b"))',
          'add(tensor("a"), 1)', 'tensor("a\\"\\\\\\n\\u00e9")', 'tensor("\\ud800")', 'tensor("a")), x', 'tensor(a)',
          'tensor("a", 1)', 'concat()', 'stack("l.{e}", 6)', 'tensor("")')),
    "state %c : latent {heads=1, key=8, value=6}; input %q : f32[T,4,8]; input %k : f32[T,1,8]; "
    "input %v : f32[T,1,6]; %y = attention %q, %k, %v, %c {scale=1}",
    f"input %{'n' * 129} : f32[T]", f"input %x : f32[T]; output {'n' * 129} = %x",
    "input %x : f32[T]; output a = %x; output a = %x", "input %x : f32[T]; output 1a = %x",
    "input %x : f32[T]; output = %x", "input %x : f32[T]; output a = %y", "input %x : f32[T",
)
FUSED = {
    "%ids": "input %ids : i32[T]", "%pos": "input %pos : i32[T]", "%rows": "input %rows : i32[R]",
    "%e": 'weight %e : bf16[16,8] = tensor("e")', "%w": 'weight %w : bf16[8,8] = tensor("w")',
    "%v": 'weight %v : f32[8,8] = tensor("v")', "%g": 'weight %g : bf16[8] = tensor("g")',
    "%n4": 'weight %n4 : bf16[4] = tensor("n")', "%n2": 'weight %n2 : bf16[2] = tensor("n")',
    "%t": "table %t : f32[1] = [1]",
}
FUSED_GRAPHS = (
    *(f"%l{layer}.a = linear %h, %w; %y = output %l{layer}.a"
      for layer in ("0", "9999999", "99999999999999999999", "-1", "")),
    *("; ".join(f"%a{i} = linear %h, {weights[i % 2]}" for i in range(7)) +
      f"; {summed([f'%a{i}' for i in range(7)])}; %y = output %b"
      for weights in (("%w", "%w"), ("%w", "%v"))),
    *("%a0 = act %h {kind=relu}; " + "; ".join(f"%a{i + 1} = {op}" for i,
    op in enumerate(ops)) + f"; %y = output %a{len(ops)}"
      for ops in (
          [f"scale %a{i} {{by=2}}" for i in range(40)], [f"softcap %a{i} {{cap=2}}" for i in range(40)])),
    *(f"weight %u : {f}[8,8] = tensor(\"u\"); %a = linear %h, %w; %b = linear %h, %u; {last}; %y = output %c"
      for f in ("bf16", "f32", "q8")
      for last in (
          "%c = glu %a, %b {kind=silu}", "%c = glu %b, %a {kind=silu}", "%c = mul %a, %b", "%c = add %b, %b",
          "%d = linear %h, %w; %c = glu %a, %b {kind=silu}; %z = add %c, %d", "%c = glu %a, %a {kind=tanh}")),
    *("; ".join(f"weight %u{i} : {f}[8,8] = tensor(\"u\"); %a{i} = linear %h, %u{i}" for i, f in enumerate(formats)) +
      f"; {summed([f'%a{i}' for i in range(len(formats))])}; %y = output %b"
      for formats in (("bf16", "f16", "f32", "q8", "q4", "f8e4m3"), ("q8g32", "q8g64", "q4g32", "q8", "bf16"))),
    *(f"{norm}; %a = linear %m, %w; {more}; %y = output %b"
      for norm in (
          "%m = rmsnorm %h, %g", "%m = rmsnorm %h", "%m = layernorm %h, %g", "%m = layernorm %h, %g, %g")
      for more in (
          "%b = add %a, %h", "%o = rmsnorm %h, %g; %c = linear %o, %w; %b = add %a, %c",
          "%z = linear %m, %v; %b = add %a, %z",
          "%s = select_rows %m, %rows; %c = linear %s, %w; %x = add %a, %m; %b = act %x {kind=tanh}")),
    *(f"%a = linear %h, %w; %k = split_heads %a {{heads={heads}}}; {op}; %d = merge_heads %c; %b = linear %d, %w; "
      "%y = output %b"
      for heads, n in ((1, "%g"), (2, "%n4"), (4, "%n2"))
      for op in (
          "%c = rmsnorm %k", f"%c = rmsnorm %k, {n}", f"%c = layernorm %k, {n}, {n}", f"%c = layernorm %k, {n}",
          "%c = scale %k {by=2}", "%c = rope %k, %pos, %t", "%c = rope %k, %pos, %t {style=interleaved}",
          "%c = attention %k, %k, %k {scale=1, mask=full}", "%c = softmax %k")),
    *(f"state %s : full {{heads=2, key=4, value=4}}; %a = linear %h, %w; %k = split_heads %a {{heads=2}}; "
      f"%o = attention %k, %k, %k, %s {{scale=1}}; %d = merge_heads %o; {op}; %y = output %b"
      for op in (
          "%b = linear %d, %w", "%b = act %d {kind=relu}", "%c = linear %d, %w; %z = linear %d, %v; %b = add %c, %z",
          "%c = linear %d, %w; %b = add %c, %d", "%c = rmsnorm %o, %n4; %x = merge_heads %c; %b = linear %x, %w",
          "%z = attention %k, %k, %k {scale=2, mask=full}; %x = merge_heads %z; %b = linear %x, %v",
          "%b = add %d, %h")),
    "%a = linear %h, %w; %k = split_heads %a {heads=2}; " + "; ".join(
        f"%r{i} = rope {f'%r{i - 1}' if i else '%k'}, %pos, %t {{factor={i + 1}}}" for i in range(9)) +
    "; %d = merge_heads %r8; %y = output %d",
    "%a = linear %h, %w; %k = split_heads %a {heads=2}; table %u : f32[1] = [0.5]; " + "; ".join(
        f"%r{i} = rope {f'%r{i - 1}' if i else '%k'}, %pos, {table} {{factor={factor}}}" for i, (table, factor) in
        enumerate((("%t", 1), ("%u", 1), ("%t", 2), ("%u", 1), ("%u", 2), ("%t", 2), ("%t", 1), ("%u", 2)))) +
    "; %d = merge_heads %r7; %y = output %d",
    *(f"state %s : {kind} {{heads=2, key=4, value=4}}; %a = linear %h, %w; %k = split_heads %a {{heads=2}}; "
      f"%o = attention %k, %k, %k, %s {{scale=1{mask}}}; %d = merge_heads %o; %y = output %d"
      for kind, mask in (("cross", ", mask=full"), ("full", ""))),
    *(f"%s = select_rows {x}, %rows; {op}"
      for x in ("%h",)
      for op in (
          "%y = act %s {kind=relu}", "%a = linear %s, %w; %y = add %a, %s", "%m = rmsnorm %s, %g; %y = linear %m, %w",
          "%m = rmsnorm %s, %g; %a = linear %m, %w; %y = add %a, %m",
          "%a = linear %s, %w; %b = linear %s, %v; %y = add %a, %b")),
    "%y = add %h, %h", "%y = output %h", "%a = linear %h, %w; %y = linear %a, %v", "%y = softmax %h",
    "%a = slice %h {begin=0, end=4}; %b = slice %a {begin=1, end=3}; %c = concat %a, %b; %y = output %c",
    "%a = concat %h, %h; %b = slice %a {begin=0, end=8}; %y = output %b",
)

# Weights of llama.yaml otherwise, for what only its tiny checkpoint shows; "" is a graph without its second half.
WEIGHTS = (
    "", "  head: {from: absent.weight, shape: [vocabulary, width], tied: {to: embed, when: true}}\n",
    "  embed: {from: absent.weight, shape: [vocabulary, width]}\n"
    "  head: {from: lm_head.weight, shape: [vocabulary, width], tied: {to: embed, when: true}}\n",
    "  norm: {from: model.norm.weight, shape: [width], tied: {to: attn_norm, when: true}}\n",
    "  norm: {from: model.norm.weight, shape: [width], tied: {to: head, when: true}}\n",
    "  norm: {from: absent.weight, shape: [width], optional: true}\n",
    "  norm: {from: [absent.weight, model.norm.weight], shape: [width]}\n",
    "  norm: {from: [absent.weight, other.weight], shape: [width]}\n",
    "  norm: {from: [absent.weight, other.weight], shape: [width], optional: true}\n",
)

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
        "value: 1 / 0", "value: 'x'", "value: 1e300 * 1e300", "value: config.absent", "value: j"),
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
    "ignore: {config: [architectures, dtype, sub]}": (
        "ignore: {config: ['*'], tensors: ['*', 'a*b*', 'l.{i}']}", "ignore: [a]"),
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

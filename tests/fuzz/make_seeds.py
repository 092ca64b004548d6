#!/usr/bin/env python3
"""First inputs for the fuzz targets, one folder per target: make_seeds.py FOLDER

The same files each time. All are valid, which fuzz_main.c checks, but those whose name begins with `fault`.
"""
import ast
import base64
import json
import re
import shutil
import struct
import sys
from itertools import product
from pathlib import Path

import found
from seed_texts import (DESCRIPTION_CHANGES, EXPRESSIONS, FUSED, FUSED_GRAPHS, GRAPH_CHANGES, GRAPHS, REGEX_FAULTS,
                        REGEXES, TEMPLATES, UTF8_FAULTS, WEIGHTS)

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
BYTES_MAX = 65536  # -max_len of run.sh: a longer file would be cut


def write(folder, inputs):
    inputs |= {f"fault-found-{i:04}": data for i, data in enumerate(found.read(folder.name))}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in inputs.items():
        data = data if isinstance(data, bytes) else data.encode()
        if len(data) <= BYTES_MAX:
            (folder / name).write_bytes(data)


def files(*patterns):
    """The files under ROOT, named after their last two folders."""
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return {"-".join(path.relative_to(ROOT).parts[-3:]): path.read_bytes() for path in paths}


def c_texts(test, before):
    """The strings of a unit test that stand behind what matches `before`."""
    part = r'"(?:[^"\\]|\\.)*"'
    found = re.findall(rf"{before}((?:{part}\s*)+)", (TESTS / "unit" / test).read_text(), re.MULTILINE)
    return [b"".join(ast.literal_eval("b" + text) for text in re.findall(part, texts)) for texts in found]


def json_faults():
    """What json_test.c wants to be refused, each wrong hex digit and character, in numbered files."""
    texts = c_texts("json_test.c", r"^    \{")
    for first in ("", r"\ud83d"):
        texts += [f'"{first}\\u{"dF0a"[:i]}{digit}{"dF0a"[i + 1:]}"'.encode() for digit in "/:@G`g" for i in range(4)]
    texts += [b'"' + text + end for text in UTF8_FAULTS for end in (b'"', b"")]
    return {f"fault-{i:03}": text for i, text in enumerate(texts)}


def templates():
    """What jinja2 has rendered for template_test.c; what it refuses may still be a template."""
    cases = json.loads((TESTS / "fixtures/templates/cases.json").read_text())["cases"]
    found = dict(enumerate({text: result for case in cases for text, result in case["templates"]}.items()))
    seeds = {f"{'fault-' if result is None else ''}{i:03}": text for i, (text, result) in found.items()}
    return seeds | {f"fault-more-{i:03}": text for i, text in enumerate(TEMPLATES)}


def json_texts():
    return json_faults() | {
        "empty": "{}", "number": "-12.5e-3", "nested": "[[[[]],{}]]", "blanks": " \n[\t1 ,\r2 ] ",
        "strings": r'["","\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00","é😀"]',
        "digits": r'["\u0aF9","\uD83d\uDe0A","\u00ff","\u07FF","\u0800","\uFFFF","\udbff\udfff","\u007e"]',
        "numbers": "[0,-0,1e5,0.1,9223372036854775807,-9223372036854775808,18446744073709551616,5e-324]",
        "index": json.dumps({f"key{i}": i for i in range(20)}), "fault-twice": '{"a":1,"b":2,"a":3}',
        **files("tests/fixtures/tiny/*/*.index.json", "tests/fixtures/hub_configs/*.json"),
    }


def safetensors_files():
    def file(entries, data):
        header = json.dumps(entries).encode()
        return struct.pack("<Q", len(header)) + header + data

    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2,
             "I8": 1, "U8": 1, "BOOL": 1}
    everything, at = {"__metadata__": {"format": "pt"}}, 0
    for dtype, size in sizes.items():
        everything["w." + dtype] = entry(dtype, [2, 3], at, at + 6 * size)
        at += 6 * size
    faults = {name: struct.pack("<Q", len(text)) + text for name, text in json_faults().items()}
    return faults | {
        "none": file({}, b""), "scalar": file({"a": entry("F32", [], 0, 4)}, b"\0\0\x80?"),
        "zero": file({"a": entry("F16", [0, 5], 0, 0), "b": entry("U8", [2], 0, 2)}, b"ab"),
        "all": file(everything, bytes(range(at))),
        **files("tests/fixtures/tiny/*/expected.safetensors"),
    }


def tested_expressions():
    return c_texts("expr_test.c", r"(?:gives|fails)\(") + [text.encode() for text in EXPRESSIONS]


def expressions():
    """Those of the parameters and refusals of the built-in descriptions, a few with all operators, tested ones."""
    found = ["config.d[2].e ?? [1, 2.5, 'x'][1]", "-a ** 2 + (b - 3) * 4 / 7 // 2 % 5",
             "not (a in [1, 2]) and a <= b or a != c", "config.big + 1", "sum(range(9))",
             "min(1, 2, 3) if has(config.f.g) else round_up(len(config.c), 64)"]
    for path in sorted(ROOT.glob("archs/**/*.yaml")):
        found += re.findall(r"^ +(?:- )?(?!say:)\w+: ([^{\[\"|\n]+)$", path.read_text(), re.MULTILINE)
    return {f"{i:03}": text for i, text in enumerate(dict.fromkeys(found))} | {
        f"fault-{i:03}": text for i, text in enumerate(tested_expressions())}


def architectures():
    """The built-in ones as they are, and with those sections of their blocks that they lack themselves."""
    def sections(text):
        return dict(re.findall(r"^(\w+):((?:.*\n)(?:(?: .*|#.*)?\n)*)", text, re.MULTILINE))

    blocks = {path.stem: sections(path.read_text()) for path in ROOT.glob("archs/blocks/*.yaml")}
    texts = files("archs/*.yaml")
    for name, data in list(texts.items()):
        own = sections(data.decode())
        for block in re.findall(r"\w+", own["include"]):
            for section, body in blocks[block].items():
                own.setdefault(section, body)
        texts["whole-" + name] = "".join(f"{section}:{body}" for section, body in own.items()).encode()
    faults = {"fault-" + name: text for name, text in descriptions().items()}
    faults |= out_of_memory(texts)
    return faults | texts | {"longer-" + name: text + b"\n" for name, text in texts.items()}  # see fuzz_arch.c


def each_fault(body):
    """A graph's lines without faults; those before each fault with it, as lowering ends at the first."""
    good, found = "", []
    for line in body.splitlines(keepends=True):
        if "# error" in line:
            found.append(good + line)
        else:
            good += line
    return [*found, good]


def descriptions():
    """The faults of faults_test.py, and a small description with graphs and expressions of other tests."""
    sys.path.insert(0, str(TESTS / "archs"))
    from faults_test import DESCRIPTIONS, DESCRIPTIONS_OF_TINY

    llama = (ROOT / "archs" / "llama.yaml").read_text()
    texts = {f"llama{i:02}": llama.replace(old, new, 1) if new is not None else llama[:llama.find(old)]
             for i, (_, old, new) in enumerate(DESCRIPTIONS)}
    tiny = [(ROOT / "archs" / f"{name}.yaml").read_text().replace(old, new, 1)
            for _, name, _, old, new in DESCRIPTIONS_OF_TINY]
    for weights in WEIGHTS:
        tiny.append(llama.replace("ignore:\n", f"weights:\n{weights}\nignore:\n") if weights else
                    llama.replace("    use mlp\n", "").replace("ignore:\n", "ignore:\n  tensors: ['model.*']\n"))
    texts |= {f"llama-tiny{i:02}": text + "\n" * (len(text) % 2) for i, text in enumerate(tiny)}
    tied = "tied: {to: embed, when: tied}"
    for i, new in enumerate(("when: true", "to: embed, when: true", "to: norm, when: true", "to: embed, when: false")):
        texts[f"llama-tied{i}"] = llama.replace(tied, f"tied: {{{new}}}")
        texts[f"llama-tied{i}-longer"] = texts[f"llama-tied{i}"] + "\n"
    head = c_texts("lower_test.c", r"head\[\] =\s*")[0].decode()
    names = {"Tiny": "LlamaForCausalLM", "config.layers": "config.num_hidden_layers",
             "config.vocab": "config.vocab_size", "config.width": "config.hidden_size",
             "config.ctx": "config.max_position_embeddings",
             "config.kinds[i].k": "config.num_attention_heads * (i + 1)",
             "[architectures, dtype, sub]": "['*']"}  # or its graph is never reached
    for old, new in names.items():
        head = head.replace(old, new)
    bodies = [text.decode() for text in c_texts("lower_test.c", r"(?:fails_graph\(|body\[\] =|graph\[\] =)\s*")]
    changes = [(old, new) for old, news in DESCRIPTION_CHANGES.items() for new in news]
    small = head + next(body for body in bodies if changes[-1][0] in body)
    unread = re.sub(r"config\.\w+( \* \(i \+ 1\))?", "4", small)  # of a config none of whose keys are read
    texts |= {"small-unread": unread}
    table = head + next(body for body in bodies if "@ramp" in body)
    texts |= {f"{name}{i:03}": text.replace(old, new, 1) for name, text in (("small", small), ("table", table))
              for i, (old, new) in enumerate(changes) if old in text}
    for text in graphs().values():
        for body in re.findall(r"^graph @.*\n((?:.*\n)*?)\}", text.decode(errors="replace"), re.MULTILINE):
            bodies += each_fault(body)
    texts |= {f"graph{i:03}": head + body for i, body in enumerate(bodies)}
    scale = "  input %x : f32[T,8]\n  %y = scale %x {by=${value}}\n  output logits = %y\n"
    say = 'refuse:\n  - {when: true, say: "{value}"}\n'
    keys = {"list": "architectures", "sub": "rope_scaling", "i": "num_hidden_layers", "t": "hidden_act",
            "r": "rms_norm_eps", "yes": "use_cache"}
    for i, text in enumerate(tested_expressions()):
        text = re.sub(r"\bconfig\.(\w+)", lambda key: "config." + keys.get(key[1], key[1]), text.decode())
        params = f"params:\n  n: 12\n  value: {json.dumps(text)}\n"
        texts[f"expr{i:03}"] = head.replace("params:\n", params, 1) + scale
        texts[f"say{i:03}"] = head.replace("params:\n", say + params, 1) + scale
    texts = {name: text.encode() for name, text in texts.items()}
    # Of odd length they have no checkpoint, whose tensors they would lack: see fuzz_arch.c.
    return {name: text if len(text) % 2 or name.startswith("llama") else text + b"\n" for name, text in texts.items()}


def out_of_memory(texts):
    """Texts with an end as fuzz_arch.c has it, at every few of the allocations they take."""
    config = (TESTS / "archs" / "golden" / "llama_long.json").read_bytes()
    steps = ((texts["archs-llama.yaml"], 4, 1300), (texts["archs-deepseek_v3.yaml"], 30, 3000),
             (texts["archs-gemma3.yaml"], 30, 2700), (texts["archs-bert.yaml"], 20, 1200), (config, 8, 1300))
    return {f"fault-memory{i}-{count:04}{end}": text + (b"\n" if end else b"") + b"#%d" % count
            for i, (text, step, most) in enumerate(steps) for count in range(0, most, step) for end in ("", "a")}


def configs():
    """Those of the hub with few layers, as more of the same takes time; those refused by faults_test.py and by JSON."""
    from faults_test import CONFIGS, change

    hub = {}
    for name, text in files("tests/fixtures/hub_configs/*.json").items():
        config = json.loads(re.sub(rb'("num_hidden_layers": )\d+', rb"\g<1>4", text))
        if "block_configs" in config:
            config["block_configs"] = config["block_configs"][:4]
        hub[name] = json.dumps(config, indent=1).encode()
    refused = {name: b'{"architectures": ["LlamaForCausalLM"], "x": ' + text + b"}"
               for name, text in json_faults().items()}
    for i, ((golden, _), changes) in enumerate(CONFIGS):
        config = json.loads((TESTS / "archs" / "golden" / f"{golden}.json").read_text())
        for key, value in changes.items():
            change(config, key, value)
        refused[f"fault-config{i:02}"] = json.dumps(config).encode()
    return files("tests/fixtures/tiny/*/config*.json", "tests/archs/golden/*.json") | hub | refused


def graphs():
    """Of the goldens what goes in, and what comes out if it is another graph; changed graphs of models."""
    texts = {}
    for name, text in files("tests/ir/*/*.ir", "tests/archs/golden/*.ir").items():
        for i, part in enumerate(text.split(b"# ----\n")):
            if b"graph @" in part:
                texts[("fault-" if b"# error" in part else "") + f"{name}-{i}"] = part
    small = [text + "; output y = %y" for text in GRAPHS]
    for text in FUSED_GRAPHS:
        text = re.sub(r"%y = output (\S+)", r"%last = select_rows \1, %rows; %y = linear %last, %w", text)
        text = f"%h = embed %ids, %e; {text}; output y = %y"
        small.append("; ".join([line for name, line in FUSED.items() if re.search(name + r"\b", text)] + [text]))
    for i, text in enumerate(small):
        body = "".join(f"  {line}\n" for line in text.split("; "))
        texts[f"fault-small{i:03}"] = f"graph @step(T, S, R) {{\n{body}}}\n".encode()
    for model in ("bert", "gemma3", "llama_biases", "qwen2_window"):
        text = (TESTS / "archs" / "golden" / f"{model}.ir").read_text()
        for i, (old, new) in enumerate(GRAPH_CHANGES):
            changed = re.sub(old, new, text)
            if changed != text:
                texts[f"fault-{model}{i:02}"] = changed.encode()
    return texts


def byte_letters():
    """The letters by which byte-level vocabularies write the bytes, in their order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte if byte in plain else 256 + others.index(byte)) for byte in range(256)]


def nested(key, item, depth):
    for _ in range(depth):
        item = {"type": "Sequence", key: [item]}
    return item


def precompiled(units, texts):
    """A map of characters: a double array of units, then texts."""
    blob = struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + texts
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}


def key_map(changes):
    """The map of some keys. A unit has the byte that leads to it, bit 8 if a key ends there, and from bit 10 on where
    its children lie."""
    units, bases, texts = {0: 0}, set(), b""
    open_nodes = [(0, {key.encode(): text.encode() for key, text in changes.items()})]
    while open_nodes:
        at, keys = open_nodes.pop()
        letters = sorted({key[0] if key else 0 for key in keys})
        base = next(base for base in range(256, 1 << 21)
                    if base not in bases and not any(base ^ letter in units for letter in letters))
        bases.add(base)
        units[at] |= (at ^ base) << 10
        for letter in letters:
            rest = {key[1:]: text for key, text in keys.items() if key and key[0] == letter}
            units[base ^ letter] = letter
            if rest:
                open_nodes.append((base ^ letter, rest))
        if b"" in keys:
            units[at] |= 1 << 8
            units[base] = 1 << 31 | len(texts)
            texts += keys[b""] + b"\0"
    return precompiled([units.get(i, 0) for i in range(max(units) + 1)], texts)


def tokenizers():
    """The fixtures, and for each kind of step, decoder and processor a small one."""
    vocabulary = ["<s>", "</s>", "<unk>", *"abcd", "Ġ", "▁", "ab", "abc", "▁a", "<0x0A>", *"0123", "é"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
    space = {"String": " "}
    special = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}

    def added(content, number, **flags):
        return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True, **flags}

    def tokenizer(model=None, words=vocabulary, **parts):
        tokens = {word: i for i, word in enumerate(words)}
        three = [added(word, i, single_word=i == 2, lstrip=i == 1, rstrip=i == 1, normalized=i == 2, special=i != 2)
                 for i, word in enumerate(vocabulary[:3])]
        bpe = {"type": "BPE", "unk_token": "<unk>", "vocab": tokens, "merges": [["a", "b"], "ab c", ["▁", "a"]]}
        return json.dumps({"version": "1.0", "added_tokens": three, "normalizer": None, "pre_tokenizer": None,
                           "post_processor": None, "decoder": None, **parts, "model": {**bpe, **(model or {})}})

    def sequence(key, *items):
        return {"type": "Sequence", key: list(items)}

    def split(regex, behavior="Isolated", invert=False):
        return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}

    def template(*single, ids=(0,)):
        return {"type": "TemplateProcessing", "single": list(single), "pair": [],
                "special_tokens": {"<s>": {"id": "<s>", "ids": list(ids), "tokens": ["<s>"]}}}

    behaviours = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    splits = [split(regex, behaviours[i % 5], i == 4) for i, regex in enumerate(REGEXES + REGEXES[:1])]
    processor = template(special, text)
    roberta = {"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1]}
    replace = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    shorten = {"type": "Replace", "pattern": {"String": "b"}, "content": ""}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    long = {"type": "x" * 70}
    fallback, fuse = {"type": "ByteFallback"}, {"type": "Fuse"}
    no_specials = {"merges": [], "unk_token": None}
    letters = ["<s>", "</s>", "<unk>", "x", *byte_letters()]
    digits = ["aF", "+1", "F0", "0b", *("0" + c for c in "/:@G`g+"), *(c + "0" for c in "/:@G`g")]
    signs = [*vocabulary, *(f"<0x{pair}>" for pair in digits), "<0x00", "Ġa b", "<1x00>", "<0x00)"]
    marks = [*vocabulary, "  a  ", "éaé", "ééaéé", "é", "ü", "你a你", "😀", "\U00010000", "\U0010ffff", "\ud7ff",
             "\ue000"]
    lengths = (4, 8, 10, 18, 34, 66, 98, 130, 162, 200, 242, 300, 1100, 2200)
    sizes = [*vocabulary, "ba", "baba", "ababa", *("ab" * (length // 2) for length in lengths)]
    doubled = [["a", "b"], ["ab", "ab"], ["abab", "abab"], ["b", "a"], ["ba", "ba"], ["abab", "a"]]
    said = "The  fox's 123 你 ab"  # of the text that is encoded
    pairs = [said[i:i + 2] for i in range(len(said) - 1)]
    whole = list(dict.fromkeys(["<s>", "</s>", "<unk>", *said, *pairs, said[:3], said[4:8], said[5:8], said]))
    joins = [[pair[0], pair[1]] for pair in dict.fromkeys(reversed(pairs))]
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    triples = [*alphabet, *map("".join, product(alphabet, repeat=2)), *map("".join, product(alphabet, repeat=3))]
    keys = key_map({"a": "b", "e\u0301": "é", "\u1100\u1161": "가", "\r\n": " ", "👩": "x", "\u0301": "", " ": "  "})
    clusters = ["e\u0301\u0327", "\u1100\u1161\u11a8", "가\u11a8", "각\u11a8\u1161", "\u1100\u1100각", "👩\u200d👩",
                "👩\u0301\u200d👩", "🇩🇪", "क\u094d\u200dख", "\r\n", "\r\u0301", "\u0600a", "a\u0903", "\u200be", "ea"]

    def never(**parts):
        return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", **parts}

    forms = [{"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "Strip")]
    forms += [{"type": "Strip", "strip_left": False}, {"type": "BertNormalizer", "lowercase": True},
              {"type": "BertNormalizer", "clean_text": False, "strip_accents": True, "lowercase": False},
              sequence("normalizers", {"type": "Lowercase"}, {"type": "Nmt"}, {"type": "StripAccents"}),
              sequence("normalizers", {"type": "Lowercase"}, {"type": "BertNormalizer", "clean_text": False})]
    cutters = [{"type": kind} for kind in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation")]
    cutters += [{"type": "CharDelimiterSplit", "delimiter": "o"}, {"type": "FixedLength", "length": 3},
                {"type": "FixedLength"}, {"type": "Punctuation", "behavior": "Contiguous"}]
    unigram = {"type": "Unigram", "unk_id": 2, "vocab": [[word, -i] for i, word in enumerate(vocabulary)]}
    whole_pair = {"type": "TemplateProcessing", "single": [text], "special_tokens": {},
                  "pair": [{"Sequence": {"id": "B", "type_id": 255}}, text, text]}
    pieces = {"type": "WordPiece", "continuing_subword_prefix": "a", "max_input_chars_per_word": 4}

    accepted = {
        "plain": tokenizer(), "unknown": tokenizer({"unk_token": None, "ignore_merges": True}),
        "fallback": tokenizer({"byte_fallback": True, "fuse_unk": True}),
        **{f"split{i}": tokenizer(pre_tokenizer=item) for i, item in enumerate(splits)},
        **{f"form{i}": tokenizer(normalizer=item) for i, item in enumerate(forms)},
        **{f"cutter{i}": tokenizer(pre_tokenizer=item) for i, item in enumerate(cutters)},
        "unigram": tokenizer(unigram), "unigram-bytes": tokenizer({**unigram, "byte_fallback": True}),
        "word-pieces": tokenizer(pieces, decoder={"type": "WordPiece"}, pre_tokenizer=cutters[1]),
        "word-cleanup": tokenizer(decoder={"type": "WordPiece", "prefix": "a", "cleanup": False}),
        "level": tokenizer({"type": "WordLevel"}), "pairs": tokenizer(post_processor=whole_pair),
        "bert": tokenizer(post_processor={**roberta, "type": "BertProcessing"}),
        "bytes": tokenizer(pre_tokenizer=sequence("pretokenizers", splits[0], byte_level), decoder=byte_level),
        "letters": tokenizer({"merges": [], "ignore_merges": True, "byte_fallback": True, "unk_token": "none"}, letters,
                             pre_tokenizer=byte_level, decoder=byte_level),
        "digits": tokenizer(pre_tokenizer=sequence("pretokenizers", {"type": "Digits", "individual_digits": True},
                                                   {"type": "Split", "pattern": space, "behavior": "Removed",
                                                    "invert": False}, {"type": "Digits"})),
        "metaspace": tokenizer(pre_tokenizer=metaspace, decoder=metaspace),
        "never": tokenizer(pre_tokenizer=never(split=False), decoder=sequence("decoders", never(), fuse, strip)),
        "no-prefix": tokenizer(pre_tokenizer={"type": "Metaspace", "add_prefix_space": False},
                               decoder={"type": "Metaspace", "add_prefix_space": False}),
        "always": tokenizer(pre_tokenizer={"type": "Metaspace"}, decoder={"type": "Metaspace"}),
        "normal": tokenizer(normalizer=sequence("normalizers", {"type": "NFC"}, {"type": "Prepend", "prepend": "▁"},
                                                {"type": "Replace", "pattern": space, "content": "▁"},
                                                {"type": "Prepend", "prepend": ""}),
                            decoder=sequence("decoders", replace, fallback, fuse, strip)),
        "replace": tokenizer(normalizer={"type": "Replace", "pattern": {"Regex": "a{2,}"}, "content": "b"}),
        "whole": tokenizer({"merges": [*joins, ["Th", "e"], [" f", "ox"], ["fo", "x"]]}, whole),
        "whole-first": tokenizer({"merges": joins[::-1], "ignore_merges": True}, whole),
        **{f"many{count}": tokenizer({"merges": [[word[:-1], word[-1]] for word in triples[26:count]]},
                                     [*vocabulary[:3], *triples[:count]]) for count in (520, 1100, 2200)},
        "keys": tokenizer(normalizer=keys, added_tokens=[added(cluster, 20 + i, normalized=True)
                                                         for i, cluster in enumerate(clusters)]),
        "sizes": tokenizer(words=sizes), "sizes-long": tokenizer({"merges": doubled}, sizes),
        "sizes-bytes": tokenizer({"merges": doubled[::-1]}, [*letters, *sizes[3:]], pre_tokenizer=byte_level),
        **{f"strip{i}": tokenizer(words=marks, decoder=sequence("decoders", {"type": "Strip", "content": content,
                                                                              "start": 2, "stop": 2}, fuse))
           for i, content in enumerate(" éa你😀")},
        "raw": json.dumps(json.loads(tokenizer(words=marks)), ensure_ascii=False).encode("utf-8", "surrogatepass"),
        "signs": tokenizer({"byte_fallback": True}, signs, decoder=sequence("decoders", strip, fallback, fuse)),
        "forms": tokenizer(normalizer=shorten, added_tokens=[added("abb", 9, normalized=True),
                                                             added("ab", 3, normalized=True), added("a", 4)]),
        "names": tokenizer(bos_token="<s>", eos_token={"content": "</s>"}, pad_token={"content": 1}),
        "template": tokenizer(post_processor=processor), "roberta": tokenizer(post_processor=roberta),
        "processors": tokenizer(post_processor=sequence("processors", byte_level, processor)),
        **files("tests/fixtures/tokenizers/*/tokenizer.json"),
    }
    def mapped(units, text=b"x\0"):
        return tokenizer(normalizer=precompiled(units, text))

    def one_key(byte, value):
        units = [256 << 10] + [0] * 1023
        units[256 + byte], units[768 + byte] = 512 << 10 | 1 << 8 | byte, 1 << 31 | value
        return units

    refused = {
        "map-short": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "map-letters": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AA!A"}),
        "map-cut": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "CAAAAAAA"}),
        "map-outside": mapped(one_key(97, 9)), "map-key": mapped(one_key(0xC3, 0)),
        "map-text": mapped(one_key(97, 0), b"\xff"),
        "map-twice": tokenizer(normalizer=sequence("normalizers", *[json.loads(mapped(one_key(97, 0)))["normalizer"]
                                                                    for _ in range(2)])),
        "wrapped": tokenizer(post_processor=sequence("processors", processor, roberta,
                                                     template(special, text, special, ids=(1, 2)))),
        **{f"regex{i}": tokenizer(pre_tokenizer=split(regex)) for i, regex in enumerate(REGEX_FAULTS)},
        **{f"nested-{part}": tokenizer(**{part: nested(key, item, 9)}) for part, key, item in (
            ("normalizer", "normalizers", {"type": "NFC"}), ("pre_tokenizer", "pretokenizers", metaspace),
            ("decoder", "decoders", fuse), ("post_processor", "processors", roberta))},
        **{f"kind-{part}": tokenizer(**{part: long}) for part in ("normalizer", "pre_tokenizer", "decoder",
                                                                    "post_processor", "model")},
        **{f"part-{part}": tokenizer(**{part: 1}) for part in ("normalizer", "pre_tokenizer", "decoder",
                                                                 "post_processor", "added_tokens")},
        **{f"template{i}": tokenizer(post_processor=item) for i, item in enumerate((
            template(special), template(text, text), template({"Sequence": {"id": "B"}}), template({"SpecialToken": 1}),
            template({"SpecialToken": {"id": "y" * 70}}, text), template(special, text, ids=()),
            template(special, text, ids=(-1,)), template(special, text, ids=("0",)), template(special, text, ids=(99,)),
            template(special, text, ids=(0,) * 65), template(special, text, special, ids=(0,) * 33),
            sequence("processors", template(special, text, ids=(0,) * 40), template(special, text, ids=(0,) * 40)),
            sequence("processors", template(text, special, ids=(0,) * 40), template(text, special, ids=(0,) * 40)),
            {"type": "TemplateProcessing"}, {"type": "RobertaProcessing"}, {**roberta, "sep": ["</s>", 99]}))},
        **{f"decoder{i}": tokenizer(decoder=sequence("decoders", *items)) for i, items in enumerate((
            (fallback, fallback), (metaspace, replace), (fuse, {**strip, "stop": 1}), (fuse, strip, strip),
            (fuse, long), (fuse, fallback), (replace,) * 17, ({**strip, "content": ""},), ({**strip, "content": "ab"},),
            ({**strip, "start": -1},), ({**replace, "pattern": {"Regex": "a"}},),
            ({**replace, "pattern": space, "content": 1},), ({**replace, "pattern": {"String": ""}},),
            ({**metaspace, "replacement": ""},),
            ({**metaspace, "prepend_scheme": 1},)))},
        "decoder-space": tokenizer(words=["<s>", "</s>", "<unk>", "a", "b", "c", "▁ a"], decoder=metaspace,
                                   model=no_specials),
        **{f"normal{i}": tokenizer(normalizer=item) for i, item in enumerate((
            {"type": "Prepend"}, {"type": "Prepend", "prepend": 1}, {**replace, "pattern": {"String": ""}},
            {**replace, "pattern": 1}, {"type": "Replace", "pattern": space}, {"type": "Replace"}, {"type": "Sequence"},
            sequence("normalizers", *[{"type": "NFC"}] * 31)))},
        **{f"before{i}": tokenizer(pre_tokenizer=item) for i, item in enumerate((
            sequence("pretokenizers", byte_level, long), split("a", "x"), {**split("a"), "invert": 1},
            {"type": "Sequence"}, {**metaspace, "prepend_scheme": "x"}, {**metaspace, "replacement": 1},
            {**metaspace, "replacement": ""},
            sequence("pretokenizers", metaspace, metaspace), {**byte_level, "use_regex": 1},
            {"type": "Digits", "individual_digits": 1}))},
        **{f"model{i}": tokenizer(model) for i, model in enumerate((
            {"type": "Unigram"}, {"dropout": 0.5}, {"dropout": 0}, {"dropout": "0"}, {"end_of_word_suffix": "x"},
            {"continuing_subword_prefix": "x"}, {"vocab": None}, {"vocab": {}}, {"vocab": {"a": 0, "b": 0}},
            {"vocab": {"a": 1 << 30}}, {"vocab": {"a": -1}}, {"vocab": {"a": "0"}}, {"vocab": {"a": 0, "\ud800": 1}},
            {"vocab": {"": 0}, **no_specials}, {"merges": None}, {"merges": ["ab"]}, {"merges": [1]},
            {"merges": [["a"]]},
            {"merges": ["a z"]}, {"merges": ["z a"]}, {"merges": ["c d"]}, {"merges": [["a", 1]]},
            {"merges": ["a b", "a b"]}, {"unk_token": "none"}, {"byte_fallback": 1}))},
        **{name[6:]: b'{"x": ' + text + b"}" for name, text in json_faults().items()},
        "model-none": json.dumps({}), "model-number": json.dumps({"model": 1}), "root": "[]",
        "letters": tokenizer({"merges": [], "byte_fallback": True}, letters[:-1], pre_tokenizer=byte_level),
        **{f"added{i}": tokenizer(added_tokens=items) for i, items in enumerate((
            [added("z" * 513, 18)], [added("z", 1 << 30)], [added("z", -1)], [added("z", 99)], [added("", 18)],
            [added("z", "18")], [added(1, 18)], [added("z", 18, special=1)], [added("a", 18)], [added("z", 3)],
            [added("z", 18), added("z", 19)], [1]))},
        "added-empty": tokenizer(normalizer=shorten, added_tokens=[added("b", 4, normalized=True)]),
        "added-same": tokenizer(normalizer=shorten, added_tokens=[added("a", 3, normalized=True),
                                                                  added("ab", 9, normalized=True)]),
    }
    return accepted | {"map-empty": mapped([0])} | {"fault-" + name: data for name, data in refused.items()}


def tokenizer_models():
    """The fixtures, and a file of a few pieces; of the faults one of each."""
    def number(value):
        return (bytes([value & 0x7F | 0x80]) + number(value >> 7)) if value > 0x7F else bytes([value])

    def message(field, body):
        return number(field * 8 + 2) + number(len(body)) + body

    def piece(text, score=0.0, kind=1):
        return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + number(kind))

    few = (piece("<unk>", kind=2) + piece("<s>", kind=3) + piece("ab", -1) + piece("▁a", -1) + piece("a", -2)
           + piece("b", -3) + piece("▁", -4) + piece("the", kind=4) + piece("<0x41>", kind=6))
    unigram, bpe = message(2, b"\x18\x01"), message(2, b"\x18\x02\x98\x02\x01")
    plain = message(3, b"\x18\x00\x20\x00")
    accepted = {"few-scores": few + unigram, "few-merges": few + bpe + plain, "other": few + message(9, b"x") + b"\x51"
                + bytes(8) + b"\x5d" + bytes(4), "unused": few + piece("old", kind=5),
                **{path.parent.name: path.read_bytes() for path in TESTS.glob("fixtures/tokenizers/*/tokenizer.model")}}
    faults = {"words": few + message(2, b"\x18\x03"), "map": few + message(3, message(2, b"m")), "empty": b"",
              "kind": few + piece("x", kind=9), "twice": few + piece("ab"), "number": few + piece("y", float("nan")),
              "suffix": few + message(2, b"\xc0\x01\x01"), "spaces": few + message(3, b"\x28\x00"), "cut": few[:-2],
              "known": piece("a"), "text": few + message(1, message(1, b"\xff")), "wire": few + b"\x0f",
              "old": few + piece("old", kind=5) + bpe, "long": few + piece("q" * 600, kind=3), "end": few + b"\xff"}
    return accepted | {f"fault-{name}": data for name, data in faults.items()}


def some_texts():
    """Of many scripts; the last but one has the clusters of characters that may follow each other."""
    texts = ["The quick brown fox's 12345 dogs\n\n\tdon't  mind.", "e\u0301le\u0300ve 你好，世界 \u1112\u1161\u11ab 각 İ ﬁ",
             "<|end|>x <s>a</s> [SEP] <tool>\fsecond text ▁▁ <0x41>", "a" * 200 + " " * 90 + "\n" * 50,
             "👍🏽 👩‍👩‍👧 \x00\x7f", "ABA e\u0301 a\r\n ©\u200d© \u0600A\u0301 क\u094dक", "x [trim] y  [trim]"]
    clusters = ("\u1100\u1100\u1161\u1161\u11a8\u11a8\uac00\u1161\uac00\u11a8\uac01\u11a8\u1100\uac00\u1100\uac01 "
                "क\u094d\u200dक\u0301\u094dक 🇩🇪🇩 ©\u0301\u200d©\u200d\u0301© \u0600\u0600क\u0903 \r\n\r")
    return [text.encode() for text in (*texts, clusters)] + [b"\xff\xc3 \xed\xa0\x80 \xf0\x9f"]


def tokenizer_texts():
    return {f"text{i}-{mode:02}": bytes([mode]) + text
            for i, text in enumerate(some_texts()) for mode in range(32)}


def tokenizer_tables():
    """Sections without a patch, one for each fixture of fuzz_tokenizer_table.c."""
    plain = "The  fox's 123\n\n<|end|> the dog e\u0301\u4f60".encode()
    return {f"{name}-{i}": bytes([number]) + text + b"\xff" * (number & 1)
            for number, name in enumerate(("bytes", "pieces", "words", "scores", "rules"))
            for i, text in enumerate((plain, *some_texts()))}


def plan_sections():
    """Patches of fuzz_plan.c: a word becomes 1 greater, which some bear."""
    def patch(word, how=1, number=9):
        return struct.pack("<HBBI", word, 0, how, number)

    return {"none": b"", "fault-zero": bytes(8), "one": patch(50), "two": patch(51) + patch(543),
            "fault-two": bytes(range(16))}


def plan_texts():
    idle = ("plan idle\nmodel : generate {outputs=4, vocabulary=4, context=64, types=0}\n"
            "kv types : f32; f32 by default\ntarget cpu:x86-64-v3 {code=64, text=64, scratch=64}\n"
            "buffer %y : f32[R,4] {at=0, row=64}\nprogram @step : cpu:x86-64-v3, 0 launches {\n  output %y\n}\n")
    return {"idle": idle, **{path.name: path.read_text() for path in sorted(TESTS.glob("plans/*.plan.txt"))}}


def tunings():
    """Without the line of the sum, which fuzz_tuning.c puts there."""
    head = f"tlmc tuning 1\nplan {'0f' * 32}\ndevice 9.0 NVIDIA H200\n"
    ways = ("0 1 8 0 8 0", "0 1 64 33 64 0", "0 2 300 257 4294967295 2", "3 1 2 9 16 1")
    return {"none": head, "ways": head + "".join(f"way {way}\n" for way in ways),
            "fault-order": head + "way 0 1 8 0 8 0\nway 0 1 8 0 8 0\n", "fault-version": head.replace("1", "2", 1),
            "fault-zeros": head + "way 0 01 8 0 8 0\n", "fault-digest": head.replace("0f", "0F", 1)}


# Sections of a plan whose values are of other kinds or numbers than they should be.
METAS = ([], 5, {"model": 5}, {"stop_ids": 5}, {"stop_ids": {}}, {"stop_ids": ["a", -1, 1e9, 99999999999, 5]},
         {"labels": 5}, {"labels": ["a"], "problem_type": 5})
CHATS = ([], 5, {"templates": 5}, {"templates": []}, {"templates": [5]}, {"templates": [{"name": "a"}]},
         {"templates": [{"name": 5, "text": "a"}]}, {"templates": [{"name": "a", "text": 5}]},
         {"templates": [{"name": "", "text": ""}] * 34}, {"tokens": 5, "templates": [{"name": "a", "text": "a"}]})


def plan_files():
    """Options and such patches of fuzz_plan_file.c, of the parts of the file in turn."""
    def patch(part, word, how=1, number=9):
        return struct.pack("<BBHII", part, how, 0, word, number)

    def rest(part, text):
        return struct.pack("<BBBBII", part, 0, 2, 0, 0, 0) + (text if isinstance(text, bytes) else text.encode())

    places = {"header": (0, 6), "sections": (1, 8), "meta": (2, 11, 7, 117), "tokenizer": (3, 8), "template": (5, 7),
              "programs": (6, 57), "checksums": (7, 0)}
    # Each word becomes 0, all ones, one more, one less, twice as much; the parts have about so many words.
    words = {0: 32, 1: 128, 2: 24, 3: 320, 4: 64, 5: 4, 6: 600, 7: 4}
    swept = {f"fault-{part}-{word:03}-{how}{number}": b"\0" + patch(part, word, how, number)
             for part, count in words.items() for word in range(count)
             for how, number in ((0, 0), (0, 9), (1, 9), (1, 7), (4, 0))}
    swept |= {f"fault-meta-{place:03}-{byte:02x}": b"\0" + patch(2, place, 7, byte)
              for place in range(100) for byte in b'"\\},x\x80\n'}
    swept |= {f"fault-meta-{name}": b"\0" + rest(2, text) for name, text in json_texts().items()}
    swept |= {f"fault-template-{name}": b"\0" + rest(5, json.dumps({"templates": [{"name": "x", "text": text}]}))
              for name, text in templates().items()}
    swept |= {f"fault-meta-kind-{i}": b"\0" + rest(2, json.dumps(meta)) for i, meta in enumerate(METAS)}
    swept |= {f"fault-template-kind-{i}": b"\0" + rest(5, json.dumps(chat)) for i, chat in enumerate(CHATS)}
    return {"none": bytes(1), "options": b"\x1f", "fault-zero": bytes(13), **swept,
            **{name: b"\0" + patch(*place) for name, place in places.items()}}


def main():
    out = Path(sys.argv[1])
    write(out / "json", json_texts())
    write(out / "safetensors", safetensors_files())
    write(out / "expr", expressions())
    write(out / "template", templates())
    write(out / "plan_file", plan_files())
    write(out / "plan", plan_sections())
    write(out / "arch", architectures() | configs())
    write(out / "ir_text", graphs())
    write(out / "plan_text", plan_texts())
    write(out / "tuning", tunings())
    write(out / "tokenizer_json", tokenizers())
    write(out / "tokenizer_model", tokenizer_models())
    write(out / "tokenizer_text", tokenizer_texts())
    write(out / "tokenizer_table", tokenizer_tables())


if __name__ == "__main__":
    main()

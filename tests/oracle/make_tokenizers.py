#!/usr/bin/env python3
"""Small tokenizers of all kinds the compiler knows, and what the `tokenizers` package does with them.

    make_tokenizers.py --fixtures tests/fixtures/tokenizers     the checked-in fixtures, eight small tokenizers
    make_tokenizers.py --random N --out DIR                     N random pipelines as DIR/NAME/tokenizer.json,
                                                                for compare_tokenizers.py --tokenizers DIR

A fixture folder holds tokenizer.json and expected.txt, a line per case: `encode HEX ids..` with special
tokens, `decode HEX ids..` without, `pair HEX HEX ids.. types..`; HEX is the text's bytes, `-` if there
are none. Folders with a tokenizer.model have `plain HEX ids..` instead of `encode`: no special tokens. Bytes
that are no UTF-8 read as Python's "replace" reads them.
"""
import argparse
import base64
import functools
import io
import json
import random
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't mind: it's only 12345 foxes.",
    "for (int i = 0; i < n; i++) { sum += weights[i] * values[i]; }  // the usual loop",
    "Füchse springen über Hunde; les élèves mangent des crêpes à midi. Пишем по-русски.",
    "你好，世界。今天天气很好。 مرحبا بالعالم 😀👍🏽",
] * 3
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
MARK = "\u2581"


def byte_tokenizer(size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=["<|end|>", "<|start|>"])
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return json.loads(tokenizer.to_str())


def piece_tokenizer(size, missing_bytes=0):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256 - missing_bytes)]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, limit_alphabet=70)
    tokenizer.train_from_iterator(SENTENCES[:3], trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    return data


def word_tokenizer(size):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials))
    data = json.loads(tokenizer.to_str())
    data["model"]["vocab"] = dict(sorted(data["model"]["vocab"].items(), key=lambda item: item[1]))
    data["post_processor"] = {
        "type": "TemplateProcessing", "single": [special("[CLS]"), text("A"), special("[SEP]")],
        "pair": [special("[CLS]"), text("A"), special("[SEP]"), text("B", 1), special("[SEP]", 1)],
        "special_tokens": {name: {"id": name, "ids": [specials.index(name)], "tokens": [name]}
                           for name in ("[CLS]", "[SEP]")}}
    return data


def score_tokenizer(size, bytes_too):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<pad>", "<unk>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256) if bytes_too]
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>")
    tokenizer.train_from_iterator(SENTENCES[:2], trainer)
    data = json.loads(tokenizer.to_str())
    data["model"]["byte_fallback"] = bytes_too
    data["added_tokens"] = data["added_tokens"][:3]
    if bytes_too:
        data["decoder"] = {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    data["post_processor"] = {
        "type": "TemplateProcessing", "single": [text("A"), special("</s>")],
        "pair": [text("A"), special("</s>"), text("B"), special("</s>")],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}
    return data


def level_tokenizer():
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(SENTENCES[:2], trainers.WordLevelTrainer(special_tokens=["<unk>", "<s>", "</s>"]))
    return json.loads(tokenizer.to_str())


def special(name, type_id=0):
    return {"SpecialToken": {"id": name, "type_id": type_id}}


def text(name, type_id=0):
    return {"Sequence": {"id": name, "type_id": type_id}}


def added(content, rng=None, identity=0, **flags):
    token = dict(id=identity, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False,
                 special=False)
    if rng:
        token |= {key: rng.random() < 0.35 for key in ("single_word", "lstrip", "rstrip", "normalized", "special")}
    return token | flags


def split(pattern, behavior="Isolated", invert=False, literal=False):
    return {"type": "Split", "pattern": {"String" if literal else "Regex": pattern}, "behavior": behavior,
            "invert": invert}


# Characters and sequences of them become others, or nothing: what a small precompiled map is made of.
RULES = {"A": "a", "AB": "x", "ﬁ": "fi", "e\u0301": "é", "ü": "u\u0308", "\n": " ", "\r": " ", "\t": " ", "\u3000": " ",
         "\u200d": "", "１": "1", "½": "1/2", "©": "(c)", "한": "han", "क": "k", "\u0600": "#", "\u0301": "'", "😀": ":)"}


def own_rules():
    """RULES as sentencepiece's trainer reads them."""
    file = tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf8")
    for source, target in sorted(RULES.items()):
        codes = (" ".join(f"{ord(c):X}" for c in text) for text in (source, target))
        file.write("\t".join(codes) + "\n")
    file.flush()
    return file


@functools.cache
def charsmap(name):
    """The map of characters of one of sentencepiece's rules, or of RULES."""
    model = io.BytesIO()
    with own_rules() as file:
        rules = {"normalization_rule_tsv": file.name} if name == "own" else {"normalization_rule_name": name}
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_writer=model, vocab_size=120,
                                                 hard_vocab_limit=False, minloglevel=2, **rules)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def precompiled(name):
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap(name)).decode()}


def random_normalizer(rng):
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
    parts = [{"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"},
             {"type": "StripAccents"}, {"type": "Nmt"},
             {"type": "Strip", "strip_left": rng.random() < 0.7, "strip_right": rng.random() < 0.7},
             {"type": "BertNormalizer", "clean_text": rng.random() < 0.6, "handle_chinese_chars": rng.random() < 0.6,
              "strip_accents": rng.choice([True, False, None]), "lowercase": rng.random() < 0.6}, replace,
             precompiled(rng.choice(["own", "nmt_nfkc", "nfkc_cf"])),
             {"type": "Prepend", "prepend": rng.choice([MARK, "é", " "])},
             {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
             {"type": "Replace", "pattern": {"Regex": r"[aeiou]{2}|\p{Lu}(?=x)"}, "content": rng.choice(["", "o"])}]
    chosen = rng.sample(parts, rng.randrange(0, 4))
    return None if not chosen else {"type": "Sequence", "normalizers": chosen}


def random_splits(rng):
    patterns = [WORDS, r"\p{N}{1,3}", r"[\u4e00-\u9fa5]+".encode().decode("unicode_escape"), r"\s+(?!\S)|\s+",
                r"\p{L}[\p{L}\p{M}]*", r"[^\S\n]+|\n", r" ?\p{P}+", r"(?:ab|a)(?:c|bcd)?", r"x$|\d+", r"e(?=l)|o(?!x)",
                r"(a|ab)(c|bcd)*", r"\w+|[^\w\s]+", r"\p{Han}|\p{Cyrillic}{2,4}"]
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    chosen = []
    for _ in range(rng.randrange(0, 3)):
        if rng.random() < 0.25:
            chosen.append(split(rng.choice([" ", "e", "th", MARK]), rng.choice(behaviors), rng.random() < 0.3, True))
        else:
            chosen.append(split(rng.choice(patterns), rng.choice(behaviors), rng.random() < 0.3))
    chosen += rng.sample([{"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"},
                          {"type": "Punctuation", "behavior": rng.choice(behaviors)},
                          {"type": "CharDelimiterSplit", "delimiter": rng.choice("e,你")},
                          {"type": "FixedLength", "length": rng.randrange(1, 9)}], rng.choice([0, 0, 1, 2]))
    if rng.random() < 0.3:
        chosen.append({"type": "Digits", "individual_digits": rng.random() < 0.5})
    if rng.random() < 0.3:
        chosen.append({"type": "Metaspace", "replacement": MARK, "split": rng.random() < 0.5,
                       "prepend_scheme": rng.choice(["always", "never", "first"])})
    return chosen


def random_decoder(rng, is_bytes):
    if rng.random() < 0.15:
        return None
    if rng.random() < 0.2:
        return {"type": "WordPiece", "prefix": rng.choice(["##", "a", MARK]), "cleanup": rng.random() < 0.5}
    if is_bytes:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    if rng.random() < 0.25:
        return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": rng.choice(["always", "never"]),
                "split": True}
    chain = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "}, {"type": "ByteFallback"},
             {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": rng.randrange(3), "stop": 0}]
    if rng.random() < 0.3:
        chain.insert(0, {"type": "Strip", "content": "e", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": chain}


def random_processor(rng):
    names = ["<s>", "</s>"]
    kind = rng.choice([None, "ByteLevel", "BertProcessing", "RobertaProcessing", "TemplateProcessing", "Sequence"])
    pair = {"cls": [names[0], 1], "sep": [names[1], 2], "trim_offsets": True, "add_prefix_space": True}
    made = {"ByteLevel": {"type": kind, "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "BertProcessing": {"type": kind, "cls": pair["cls"], "sep": pair["sep"]},
            "RobertaProcessing": {"type": kind, **pair}}.get(kind)
    if kind in ("TemplateProcessing", "Sequence"):
        def rows(texts):
            some = texts + [special(rng.choice(names), rng.randrange(3)) for _ in range(rng.randrange(4))]
            rng.shuffle(some)
            return some
        made = {"type": "TemplateProcessing", "single": rows([text("A", rng.randrange(3))]),
                "pair": rows([text("A", rng.randrange(3)), text("B", rng.randrange(3))]),
                "special_tokens": {name: {"id": name, "ids": [1 + i] * rng.randrange(1, 3), "tokens": [name] * 2}
                                   for i, name in enumerate(names)}}
        for entry in made["special_tokens"].values():
            entry["tokens"] = entry["tokens"][:len(entry["ids"])]
    if kind == "Sequence":
        level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
        made = {"type": "Sequence", "processors": [level, made]}
    return made


def random_tokenizer(rng, bases):
    is_bytes = rng.random() < 0.35
    data = json.loads(json.dumps(bases[0] if is_bytes else rng.choice(bases[1:])))
    model = data["model"]
    data["normalizer"] = random_normalizer(rng)
    cutters = random_splits(rng)
    if is_bytes:
        cutters.append({"type": "ByteLevel", "add_prefix_space": rng.random() < 0.4, "trim_offsets": True,
                        "use_regex": rng.random() < 0.5})
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": cutters} if cutters else None
    data["decoder"] = random_decoder(rng, is_bytes)
    data["post_processor"] = random_processor(rng)
    if model["type"] == "BPE":
        model["ignore_merges"] = rng.random() < 0.3
    if model["type"] == "WordPiece":
        model["max_input_chars_per_word"] = rng.choice([3, 10, 100])
    if model["type"] == "Unigram":
        model["byte_fallback"] = rng.random() < 0.5
    if model["type"] == "BPE" and not is_bytes:
        model["fuse_unk"] = rng.random() < 0.6
        model["byte_fallback"] = rng.random() < 0.6
        model["unk_token"] = rng.choice(["<unk>", "<unk>", None])
    contents = ["<end>", "fox", " the", "\n\n", "é", "e\u0301x", "<x> y", "quick ", MARK + "a", "ab", "abc", "🏽",
                "  ", "Fox"]
    for content in rng.sample(contents, rng.randrange(0, 7)):
        data["added_tokens"].append(added(content, rng))
    return data


def texts_for(rng):
    texts = ["", " ", "a", "  the  fox", "it's 12345 o'clock", "DOESN'T", "x = y[0] + 'z';\n\n\treturn;\r\n",
             "\r\n \n a", "你好，世界。", "今天天气", "مرحبا", "😀👍🏽 👩‍👩‍👧", "e\u0301le\u0300ve a\u0323\u0302",
             "\u1112\u1161\u11ab", "Füchse über Пишем", "<|end|>x <|start|>", "<s>a</s> <unk>",
             "\x00\x01\x7f\u0085\u00a0\u3000", "a" * 300,
             " " * 200, "\n" * 100, "ab" * 150, "the" * 120, "\u0301" * 40, "<0x41><0xFF>", "▁▁the▁", "Ġthe", "１２ ½ Ⅷ"]
    letters = list("abcdefox theTHE's 12\n\t.,;!") + list("éüß你好世мп") + ["😀", "\u0301", MARK, "the ", "  ", "\u200d"]
    texts += ["".join(rng.choices(letters, k=rng.randrange(1, 30))) for _ in range(220)]
    data = [text.encode("utf8") for text in texts]
    data += [b"\xff", b"a\xc3", b"\xed\xa0\x80x", b"\xf0\x9f\x91", b"\xf0\x9fa", b"\xc0\xaf", b"\x80\x80 the",
             b"\xe4\xbd"]
    return data


CLUSTERS = ["ABC aBA", "e\u0301e ﬁ\u0301x", "a\r\nb\rc\n", "©\u200d© ©\u200dx ©\u0903\u200d©\u0301",
            "\u0600A \u0600\u0600\u0301", "\u1100\u1161\u0301\u11a8\u0301 한\u11a8\u0301한\u0301",
            "क\u094dक\u0301 क\u094d\u200dक\u0301 क\u200cक", "A\u0301\u0301A", "👍🏽😀\u200d😀 🇩🇪🇩\u0301",
            "\u200d", " \u200d ", "\u3000\u3000A \t ½１\u200d", "ü\u200büé\u0903", "AB<tool>ABox A ox"]


def write_fixture(folder, data, rng, more=()):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(data, ensure_ascii=True, indent=1) + "\n")
    tokenizer = Tokenizer.from_file(str(path))
    lines = []

    def add(kind, text, ids):
        lines.append(" ".join([kind, text.hex() or "-", *map(str, ids)]))

    for text in [*texts_for(rng), *(text.encode() for text in more)]:
        ids = tokenizer.encode(text.decode("utf8", "replace")).ids
        add("encode", text, ids)
        add("decode", tokenizer.decode(ids).encode("utf8"), ids)
    strings = [text.decode("utf8", "replace") for text in texts_for(rng)]
    for first, second in list(zip(strings, strings[7:]))[:60]:
        encoding = tokenizer.encode(first, second)
        lines.append(" ".join(["pair", first.encode().hex() or "-", second.encode().hex() or "-",
                               *map(str, encoding.ids + encoding.type_ids)]))
    size = tokenizer.get_vocab_size() + 4
    for _ in range(200):
        ids = [rng.randrange(size) for _ in range(rng.randrange(1, 14))]
        add("decode", tokenizer.decode(ids).encode("utf8"), ids)
    (folder / "expected.txt").write_text("\n".join(lines) + "\n")
    print(folder, len(lines), "cases")


def forget_paths(file):
    """A model says where it was made and of what; that is nobody's business."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(file.read_bytes())
    proto.trainer_spec.model_prefix = "tokenizer"
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    file.write_bytes(proto.SerializeToString())


def write_model_fixture(folder, rng, more=(), **options):
    options = {"normalization_rule_name": "identity", **options}
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 3), model_prefix=str(folder / "tokenizer"), hard_vocab_limit=False,
        control_symbols=["[INST]"], user_defined_symbols=["<tool>", "ox"],
        minloglevel=2, **options)
    (folder / "tokenizer.vocab").unlink()
    forget_paths(folder / "tokenizer.model")
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    lines = []
    for data in [*texts_for(rng), *(text.encode() for text in more)]:
        text = data.decode("utf8", "replace")
        ids = model.encode(text)
        lines.append(" ".join(["plain", text.encode().hex() or "-", *map(str, ids)]))
        if model.unk_id() not in ids:
            lines.append(" ".join(["decode", model.decode(ids).encode().hex() or "-", *map(str, ids)]))
    (folder / "expected.txt").write_text("\n".join(lines) + "\n")
    print(folder, len(lines), "cases")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixtures")
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out")
    options = parser.parse_args()
    if options.fixtures:
        rng = random.Random(5)
        bytes_json, pieces_json = byte_tokenizer(420), piece_tokenizer(460, missing_bytes=16)
        bytes_json["added_tokens"] += [added("<tool>", identity=420), added("fox", identity=421, single_word=True),
                                       added("e\u0301x", identity=422, normalized=True),
                                       added("[trim]", identity=423, lstrip=True, rstrip=True)]
        pieces_json["added_tokens"] += [added("\n\n", identity=460), added("the dog", identity=461, normalized=True)]
        write_fixture(Path(options.fixtures) / "bytes", bytes_json, rng)
        words_json, scores_json = word_tokenizer(300), score_tokenizer(420, True)
        words_json["added_tokens"] += [added("fox", identity=300, single_word=True, normalized=True)]
        write_fixture(Path(options.fixtures) / "pieces", pieces_json, rng)
        write_fixture(Path(options.fixtures) / "words", words_json, rng)
        write_fixture(Path(options.fixtures) / "scores", scores_json, rng)
        write_model_fixture(Path(options.fixtures) / "model-merges", rng, model_type="bpe", vocab_size=480,
                            byte_fallback=True, remove_extra_whitespaces=False)
        write_model_fixture(Path(options.fixtures) / "model-scores", rng, model_type="unigram", vocab_size=170)
        rules_json = score_tokenizer(420, True)
        rules_json["normalizer"] = precompiled("own")
        write_fixture(Path(options.fixtures) / "rules", rules_json, rng, CLUSTERS)
        with own_rules() as file:
            write_model_fixture(Path(options.fixtures) / "model-rules", rng, CLUSTERS, model_type="bpe", vocab_size=360,
                                byte_fallback=True, remove_extra_whitespaces=False, normalization_rule_tsv=file.name)
    rng = random.Random(options.seed)
    bases = [byte_tokenizer(420), piece_tokenizer(460), piece_tokenizer(460, 16), word_tokenizer(300),
             score_tokenizer(300, False), score_tokenizer(600, True), level_tokenizer()] if options.random else []
    for index in range(options.random):
        folder = Path(options.out) / f"random{index:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(random_tokenizer(rng, bases)))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/fixtures/templates/cases.json: small templates of our own with the texts that jinja2 makes of them.

    make_templates.py          (Python 3.11 with jinja2 3.1.6)

Every line of template_snippets.txt is a template, rendered with VARIABLES, and so are BLOCKS. A result null means that
jinja2 refuses. Those of TEMPLATES are whole chat templates, rendered for the conversations of compare_templates.py.
"""
import json
import os
import time
from pathlib import Path

import compare_templates as oracle

HERE = Path(__file__).resolve().parent.parent / "fixtures/templates"
VARIABLES = {
    "s": "Hello, World", "t": "  pad\u00a0", "u": "straße ΌΣΟΣ ǆ İ ﬁ", "e": "",
    "q": "it's \"q\" \\ \n\t\x1b\u200b\u00e9\U0001F600",
    "h": "<a href='x'>&</a>", "n": 7, "z": 0, "neg": -7, "f": 2.5, "big": 18446744073709551616, "tiny": 1e-07,
    "huge": 1e22,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "m": ["b", "A", "c", "a"],
    "mixed": [1, "x", None, 2.5, True],
    "d": {"b": 1, "a": {"c": [1, 2]}, "items": 5}, "k": {"B": 2, "a": 1, "C": 3}, "empty": [], "nothing": {},
    "rows": [{"name": "x", "n": 2, "on": True}, {"name": "Y", "n": 1, "on": False}, {"name": "z", "n": 3}],
    "lines": "one\ntwo\r\nthree\n\nfive\n", "deep": [[1, [2]], [3, [4, [5]]]],
}
BLOCKS = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc\n",
    "  {{ s }}  \n\n  {{- s -}}  \n x",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\nc", "{% if true %}\n\nx{% endif %}\n\n",
    "a {% if true %} b {% endif %} c\n",
    "  {# c #}\n  {#- c -#}\n  x {# c #}\ny", "\n\n{% set a = 1 %}\n{{ a }}\n\n\n",
    "\r\na\r{% if true %}\r\nb\r\n{% endif %}\r\n\r\n",
    "{% raw %}\n a\n {% endraw %}\nb", "x\n\t {% raw -%}\n a\n {%- endraw %}\nb",
    "\u00a0\u00a0{% if true %}x{% endif %}", "{{ s -}}\n\n{% if true +%}\nx{% endif %}",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\n", "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}\n",
    "{{ '{{' }} {{ '%}' }} {{ \"}}\" }}",
    "a\n{%- if true %}\n    b\n{%- endif %}\n", "\n{{ n }}\n  {% if true %}{% endif %}  \n",
    "{{ {'a': {'b': 1}}}}", "}} %} #} {", "{ { {a% b",
]
TEMPLATES = {
    "chatml": """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content|trim + '<|im_end|>\\n' }}
{%- endif %}
{%- if tools %}
    {{- '<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' + tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools>\\n' }}
{%- endif %}
{%- set ns = namespace(last=messages|length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- if not ns.found and message.role == 'user' and message.content is string %}
        {%- set ns.found = true %}
        {%- set ns.last = messages|length - loop.index0 - 1 %}
    {%- endif %}
{%- endfor %}
{%- macro parts(content) %}
    {%- if content is string %}
        {{- content }}
    {%- elif content is sequence %}
        {%- for part in content %}
            {{- part.text if part.type == 'text' else '<image>' }}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}
{%- for message in messages %}
    {%- if loop.first and message.role == 'system' %}{% continue %}{% endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.role == 'assistant' and message.reasoning_content and loop.index0 > ns.last %}
        {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n' }}
    {%- endif %}
    {%- generation %}
    {{- parts(message.content).split('</think>')[-1].lstrip('\\n') }}
    {%- for call in message.tool_calls or [] %}
        {%- set arguments = call.function.arguments %}
        {{- '\\n<call>' ~ call.function.name ~ ' ' }}
        {{- (arguments if arguments is string else arguments|tojson) ~ '</call>' }}
    {%- endfor %}
    {%- endgeneration %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "alternating": """{{ bos_token }}{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{% endif %}
{% if message['role'] == 'user' %}
{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}
 {{ message['content'] | trim }}{{ eos_token }}
{% endif %}
{% endfor %}""",
}


def results(templates, variables):
    found = []
    for text in templates:
        try:
            template = oracle.environment().from_string(text)
        except Exception:  # refused
            found.append([text, None])
            continue
        result = oracle.expected(template, variables).get("text")
        found.append([text, None if result and " at 0x" in result else result])  # an address is no answer
    return found


def main():
    os.environ["TZ"] = "UTC"
    time.tzset()
    HERE.mkdir(parents=True, exist_ok=True)
    # A line that begins with b' is the second half of the one before.
    text = (Path(__file__).parent / "template_snippets.txt").read_text(encoding="utf8").strip("\n")
    snippets = [s.replace("\0", "\n") for s in text.replace("\nb'", "\0b'").split("\n")]
    cases = [{"variables": VARIABLES, "templates": results(snippets + BLOCKS, VARIABLES)}]
    for name, variables in oracle.conversations():
        if name == "long":
            continue
        variables = {**oracle.DEFAULTS, **variables}
        cases.append({"variables": variables, "templates": results(TEMPLATES.values(), variables)})
    text = json.dumps({"now": oracle.NOW, "cases": cases}, ensure_ascii=False, indent=0)
    (HERE / "cases.json").write_text(text + "\n", encoding="utf8")
    total = sum(len(c["templates"]) for c in cases)
    refused = sum(t[1] is None for c in cases for t in c["templates"])
    print(f"{total} renderings, {refused} refused, {len(text)} bytes")


main()

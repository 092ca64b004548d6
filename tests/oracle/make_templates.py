#!/usr/bin/env python3
"""Writes tests/fixtures/templates/cases.json: small templates of our own with the texts that jinja2 makes of them.

    make_templates.py          (Python 3.11 with jinja2 3.1.6)

Every line of SNIPPETS is a template, rendered with VARIABLES. A result null means that jinja2 refuses. Those of
TEMPLATES are whole chat templates, rendered for the conversations of compare_templates.py.
"""
import json
import os
import time
from pathlib import Path

import compare_templates as oracle

HERE = Path(__file__).resolve().parent.parent / "fixtures/templates"
VARIABLES = {
    "s": "Hello, World", "t": "  pad\u00a0", "u": "straße ΌΣΟΣ ǆ İ ﬁ", "e": "", "q": "it's \"q\" \\ \n\t\x1b\u200b\u00e9\U0001F600",
    "h": "<a href='x'>&</a>", "n": 7, "z": 0, "neg": -7, "f": 2.5, "big": 18446744073709551616, "tiny": 1e-07, "huge": 1e22,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "m": ["b", "A", "c", "a"], "mixed": [1, "x", None, 2.5, True],
    "d": {"b": 1, "a": {"c": [1, 2]}, "items": 5}, "k": {"B": 2, "a": 1, "C": 3}, "empty": [], "nothing": {},
    "rows": [{"name": "x", "n": 2, "on": True}, {"name": "Y", "n": 1, "on": False}, {"name": "z", "n": 3}],
    "lines": "one\ntwo\r\nthree\n\nfive\n", "deep": [[1, [2]], [3, [4, [5]]]],
}
SNIPPETS = r"""
{{ s }}|{{ t }}|{{ u }}|{{ n }}|{{ f }}|{{ big }}|{{ tiny }}|{{ huge }}|{{ yes }}|{{ nil }}|{{ missing }}
{{ l }} {{ m }} {{ mixed }} {{ d }} {{ [q, h, u] }} {{ (1,) }} {{ () }} {{ (1, 'a') }} {{ {1: 2, true: 3, 2.5: none} }}
{{ [missing] }} {{ {'a': missing} }} {{ [1.0, 1e16, 123456789012345680.0, 0.1, -0.0, 1e-5, 2.2250738585072014e-308] }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2.5 // 1 }} {{ -7.5 % 2 }}
{{ 9223372036854775807 + 0 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }} {{ +3 }} {{ - 3 }} {{ +yes }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ nil + 1 }}
{{ missing + 1 }}
{{ 'a' + missing }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing() }}
{{ nil.x }}|{{ nil['x'] }}|{{ s.x }}|{{ s['x'] }}|{{ n.x }}|{{ l.x }}|{{ l['x'] }}|{{ l[9] }}|{{ s[99] }}|{{ d.nope }}|{{ d['nope'] }}
{{ nil() }}
{{ s() }}
{{ l[0] }} {{ l[-1] }} {{ l.0 }} {{ s[0] }} {{ s[-1] }} {{ u[2] }} {{ u[-1] }} {{ d.b }} {{ d['a'].c[1] }} {{ d.a['c'].0 }} {{ l[true] }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[5:] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[-3:] }} {{ u[3:8] }} {{ s[::2] }} {{ s[8:2:-2] }} {{ l[-100:100] }}
{{ l[::0] }}
{{ range(5)[1:3]|list }}{{ range(5)[::2]|list }}{{ (1, 2, 3)[1:] }}
{{ d[1:] }}
{{ nil[1:] }}
{{ missing[1:] }}
{{ l['a':] }}
{{ d.items }}
{{ d['items'] }} {{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.items()|length }} {{ d.keys()|list }} {{ d.get('b') }} {{ d.get('x') }} {{ d.get('x', 3) }}
{{ d.get(key='b') }}
{{ 'a' ~ 1 ~ none ~ missing ~ 2.0 ~ [1] }} {{ 'a' 'b' "c" }} {{ 1 ~ 2 + 3 ~ 4 }}
{{ 1 + 1 ~ 2 }}
{{ 'x' * 3 }} {{ 2 * 'ab' }} {{ [1] * 2 }} {{ 'x' * -1 }} {{ [1] + [2] }} {{ (1,) + (2,) }}
{{ [1] + (2,) }}
{{ 'a' * 'b' }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 'a' }} {{ [1, 2] == [1.0, 2] }} {{ (1,) == [1] }} {{ {'a': 1} == {'a': 1.0} }} {{ none == false }} {{ missing == other }} {{ missing == '' }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ 1 != 2 }} {{ 2 >= 2.0 }} {{ true > false }} {{ 'é' > 'z' }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ missing < 1 }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ 1 in l }} {{ 'b' in d }} {{ 'z' in d }} {{ 1 in missing }} {{ 3 in range(5) }} {{ '' in '' }} {{ not 1 in [1] }}
{{ 1 in s }}
{{ 1 in n }}
{{ 1 in nil }}
{{ [1] in d }}
{{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' or none }} {{ not '' }} {{ not not 1 }} {{ none and x.y }} {{ [] or {} or 0 }} {{ missing or 'd' }} {{ yes and no or n }}
{{ 'a' if yes }}|{{ 'a' if no }}|{{ 'a' if no else 'b' }}|{{ 'a' if no else 'b' if no else 'c' }}|{{ ('x' if no) is defined }}
{{ (1 if no) + 1 }}
{{ n is defined }} {{ missing is defined }} {{ missing is undefined }} {{ nil is none }} {{ nil is defined }} {{ d.x is defined }} {{ n is not none }} {{ missing is none }}
{{ s is string }} {{ n is number }} {{ yes is number }} {{ f is float }} {{ n is integer }} {{ yes is integer }} {{ big is integer }} {{ yes is boolean }} {{ n is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }}
{{ d is mapping }} {{ l is mapping }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ n is sequence }} {{ nil is sequence }} {{ missing is sequence }} {{ range(2) is sequence }} {{ d.keys() is sequence }} {{ l|map('string') is sequence }}
{{ s is iterable }} {{ d is iterable }} {{ n is iterable }} {{ nil is iterable }} {{ missing is iterable }} {{ l|map('string') is iterable }} {{ range is callable }} {{ n is callable }} {{ missing is callable }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 3 is eq 3 }} {{ 3 is equalto(4) }} {{ 3 is ne 4 }} {{ 3 is gt 2 }} {{ 3 is lt 2 }} {{ 3 is ge 3 }} {{ 3 is le(2) }} {{ 'a' is in 'abc' }} {{ 3 is in [1, 2] }} {{ n is sameas n }} {{ nil is sameas none }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '1' is lower }}
{{ 1 is odd is even }}
{{ n is nope }}
{{ s is string and n is number or no is true }} {{ s is string == true }} {{ not s is string }}
{{ s|upper }} {{ s|lower }} {{ u|upper }} {{ u|lower }} {{ u|capitalize }} {{ u|title }} {{ 'foo-bar (baz) qux' | title }} {{ 'hELLO wORLD'|capitalize }} {{ n|upper }} {{ nil|lower }} {{ missing|upper }}
[{{ t|trim }}] [{{ 'xxaxx'|trim('x') }}] [{{ missing|trim }}] [{{ n|trim }}] [{{ '\u3000a\x1c\x85'|trim }}]
{{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ s|replace('', '-') }} {{ n|replace('7', 8) }} {{ 'aaa'|replace('aa', 'b') }} {{ ''|replace('', 'x') }}
{{ s|length }} {{ u|length }} {{ l|length }} {{ d|count }} {{ missing|length }} {{ range(4)|length }} {{ ''|length }} {{ d.items()|length }}
{{ n|length }}
{{ nil|length }}
{{ (l|map('string'))|length }}
{{ missing|default('x') }} {{ ''|default('x') }} {{ ''|default('x', true) }} {{ nil|default('x') }} {{ nil|d('x', boolean=true) }} {{ n|default('x') }} [{{ missing|default }}] {{ d.x|default(l) }}
{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ d|first }} {{ d|last }} [{{ empty|first }}] [{{ []|last }}] {{ range(3)|last }} {{ missing|first is defined }}
{{ (l|map('string'))|last }}
{{ nil|first }}
{{ l|join }} {{ l|join(', ') }} {{ mixed|join('-') }} {{ s|join('.') }} {{ rows|join('/', attribute='name') }} {{ d|join(',') }} [{{ missing|join(',') }}] {{ l|join(d=1) }}
{{ n|join }}
{{ l|list }} {{ s|list }} {{ d|list }} {{ missing|list }} {{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(0) }} {{ range(2, 5) }} {{ d.items()|list }}
{{ range(1, 2, 0) }}
{{ range(1000000) }}
{{ range('a') }}
{{ l|sort }} {{ m|sort }} {{ m|sort(case_sensitive=true) }} {{ l|sort(reverse=true) }} {{ rows|sort(attribute='n')|map(attribute='name')|list }} {{ d|sort }} {{ k|dictsort }} {{ k|dictsort(true) }} {{ k|dictsort(by='value') }} {{ k|dictsort(reverse=true) }} {{ k|dictsort(false, 'value', true) }}
{{ mixed|sort }}
{{ l|dictsort }}
{{ l|min }} {{ l|max }} {{ m|min }} {{ m|max(case_sensitive=true) }} {{ rows|max(attribute='n') }} [{{ empty|min }}] {{ l|sum }} {{ rows|sum(attribute='n') }} {{ l|sum(start=10) }} {{ [0.5, 1]|sum }}
{{ m|sum }}
{{ l|reverse|list }} {{ s|reverse }} {{ u|reverse }} {{ d|reverse|list }} {{ range(3)|reverse|list }}
{{ l|reverse }}
{{ [1, 1.0, 2, 'a', 'A']|unique|list }} {{ rows|unique(attribute='on')|map(attribute='name')|join }} {{ m|unique(true)|list }}
{{ rows|map(attribute='name')|list }} {{ rows|map(attribute='x', default='-')|list }} {{ rows|map(attribute='x')|list }} {{ l|map('string')|list }} {{ m|map('upper')|join }} {{ m|map('replace', 'a', 'x')|list }} {{ [[1, 2], [3]]|map('length')|list }} {{ deep|map(attribute=1)|map('first')|list }} {{ deep|map(attribute='1.0')|list }}
{{ l|map('nope')|list }}
{{ l|map|list }}
{{ rows|selectattr('on')|map(attribute='name')|list }} {{ rows|rejectattr('on')|map(attribute='name')|list }} {{ rows|selectattr('n', 'gt', 1)|list|length }} {{ rows|selectattr('name', 'equalto', 'x')|list }} {{ rows|rejectattr('on', 'defined')|list }} {{ l|select('odd')|list }} {{ l|reject('odd')|list }} {{ mixed|select|list }} {{ mixed|select('string')|list }} {{ l|select('in', [1, 2])|list }} {{ nil|select('x')|list }}
{{ l|select('nope')|list }}
{{ rows|selectattr|list }}
{% if rows|selectattr('name', 'equalto', 'none such') %}a generator is true{% endif %}
{% set g = l|map('string') %}{{ g|list }}{{ g|list }}{% for x in g %}{{ x }}{% else %}over{% endfor %}
{% set g = l|select %}{{ g|first }}{{ g|first }}{{ g|list }}
{{ l|map('string') ~ '' }}
{{ k|items|list }} {{ missing|items|list }} {% for a, b in k|items %}{{ a }}{{ b }}{% endfor %}
{{ l|items|list }}
{{ l|batch(2)|list }} {{ l|batch(2, 0)|list }}
{{ '42'|int }} {{ ' 42 '|int }} {{ '4_2'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ '3.9'|int }} {{ 3.9|int }} {{ -3.9|int }} {{ nil|int }} {{ yes|int }} {{ 'ff'|int(base=16) }} {{ '0xff'|int(0, 16) }} {{ '1e3'|int }} {{ ''|int }} {{ big|int }} {{ l|int }}
{{ missing|int }}
{{ '2.5'|float }} {{ '3'|float }} {{ 'x'|float }} {{ 'x'|float(1) }} {{ 3|float }} {{ nil|float }} {{ ' 1e3 '|float }} {{ '5.'|float }} {{ yes|float }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(1, 'ceil') }} {{ 7|round }} {{ -2.5|round }} {{ 1.005|round(2) }} {{ 7|round(2) }}
{{ 2.5|round(1, 'up') }}
{{ -3|abs }} {{ -2.5|abs }} {{ 3|abs }} {{ no|abs }} {{ -yes }}
{{ 'x'|abs }}
{{ d|attr('b') }}|{{ d|attr('get') is callable }}|{{ s|attr('upper')() }}|{{ l|attr('x') is defined }}
{{ d|tojson }} {{ mixed|tojson }} {{ q|tojson }} {{ u|tojson }} {{ h|tojson }} {{ [1.0, 1e22, 1e-7, 1e16]|tojson }} {{ big|tojson }} {{ (1, 2)|tojson }} {{ {1: 2, true: 1, none: 3, 2.5: 4}|tojson }} {{ ''|tojson }} {{ empty|tojson }} {{ nothing|tojson }}
{{ d|tojson(indent=2) }}
{{ d|tojson(indent=0) }} {{ d|tojson(indent='--') }} {{ nothing|tojson(indent=2) }} {{ q|tojson(ensure_ascii=true) }} {{ d|tojson(true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(indent=1, separators=(', ', '=')) }} {{ k|tojson(sort_keys=true) }} {{ d|tojson(false, 4) }}
{{ missing|tojson }}
{{ [missing]|tojson }}
{{ range(3)|tojson }}
{{ d.items()|tojson }}
{{ {(1, 2): 3}|tojson }}
{{ {[1]: 2} }}
{{ {'a': 1, 'a': 2, 'b': 3} }} {{ {} }} {{ dict(a=1, b=2) }} {{ dict([('x', 1), ('y', 2)]) }} {{ dict(k, z=1) }}
{{ h|e }} {{ h|escape|upper }} {{ (h|safe) + h }} {{ h + (h|safe) }} {{ (h|e) ~ h }} {{ [h|safe] }} {{ (h|safe)|e }} {{ ('<'|safe) * 2 }} {{ ('<'|e).upper() + '&' }} {{ ('-'|safe).join(['<', '>'|safe]) }} {{ (h|safe)|tojson }} {{ (h|safe).replace('a', '<') }} {{ ('a'|safe) is escaped }} {{ n|safe }} {{ ('<a>'|safe)[0] + '<' }} {{ (h|safe)|replace('a', '<') + '<' }}
{{ '%s is %d and %5.2f|%-5s|%05d|%x|%r|%%' % ('a', 3, 2.5, 'ab', 42, 255, 'q') }} {{ '%s' % 'x' }} {{ '%s' % [1] }} {{ '%(a)s' % {'a': 1} }} {{ '%s %s'|format('a', 1) }} {{ '%(a)s'|format(a=2) }} {{ '%+d' % 5 }} {{ '%.3s' % 'abcdef' }} {{ '%e' % 12345.678 }} {{ '%g' % 0.0001 }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ '%d' % 'a' }}
{{ 'a' % 1 }}
{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format(1, 2) }} {{ '{a}{{}}'.format(a=none) }} {{ '{}'.format([1]) }}
{{ '{} {}'.format(1) }}
{{ '{'.format(1) }}
{{ s.upper() }} {{ s.lower() }} {{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.capitalize() }} {{ "they're bill's".title() }} {{ 'ΑΣ ΑΣΑ Σ'.lower() }}
[{{ t.strip() }}] [{{ t.lstrip() }}] [{{ t.rstrip() }}] [{{ 'abcba'.strip('ab') }}] [{{ 'éaé'.strip('é') }}] [{{ 'xay'.lstrip('x') }}] [{{ 'xay'.rstrip('y') }}] [{{ t.strip(none) }}]
{{ 'a,b,,c'.split(',') }} {{ 'a b  c '.split() }} {{ 'a b  c'.split(' ') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a b c '.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'abc'.split('b', maxsplit=0) }} {{ 'a  b'.rsplit() }} {{ ' a '.split(none, 0) }} {{ 'aXXb'.split(sep='XX') }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ 'a\x0bb\u2028c'.splitlines() }} {{ ''.splitlines() }}
{{ s.startswith('He') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith('ld') }} {{ s.startswith('W', 7) }} {{ s.endswith('o', 0, 5) }} {{ s.startswith('') }}
{{ s.startswith(1) }}
{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('x') }} {{ u.find('Σ') }} {{ s.find('o', 5) }} {{ s.find('o', -4) }} {{ s.index('W') }} {{ s.count('l') }} {{ 'aaaa'.count('aa') }} {{ 'ab'.count('') }} {{ s.find('', 3) }} {{ s.find('', 99) }} {{ s.rindex('o') }}
{{ s.index('x') }}
{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ ','.join(['a', 'b']) }} {{ ''.join(m) }} {{ '-'.join('abc') }}
{{ ','.join([1]) }}
{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removeprefix('x') }}
[{{ 'a'.ljust(3) }}] [{{ 'a'.rjust(3, '*') }}] [{{ 'ab'.center(5) }}] [{{ 'ab'.center(5, '-') }}] [{{ 'a'.center(4) }}] {{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} [{{ 'ab'|center(7) }}] {{ 'a'.zfill(0) }}
{{ '12'.isdigit() }} {{ 'a1'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \u00a0'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ ''.isdigit() }} {{ '1'.isupper() }} {{ 'a_'.isalnum() }}
{{ l.count(1) }} {{ l.index(2) }} {{ (1, 1).count(1) }} {{ l.append is defined }} {{ l.append }}
{{ l.append(1) }}
{{ d.update({}) }}
{{ d.pop('b') }}
{{ l.pop() }}
{{ l.index(9) }}
{{ s.__class__ }}
{{ s.__class__.mro() }}
{{ 'one two three four'|truncate(12) }} {{ 'one two three four'|truncate(12, true) }} {{ 'short'|truncate(3) }} {{ 'one two three four'|truncate(9, false, '..', 0) }}
{{ lines|indent }}
{{ lines|indent(2, true) }}|{{ lines|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ', first=true) }}|{{ ''|indent(2, true) }}
{{ n|indent }}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }};{% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}{{ loop.length }}{{ x }}{{ loop.last }} {% else %}none{% endfor %}{% for x in [] %}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in s %}{{ c }}.{% endfor %}{% for x in missing %}x{% endfor %}{% for x in d %}{{ x }}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for x in nil %}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% break %}
{% for x in l %}{% if loop.changed(x > 1) %}!{% endif %}{{ x }}{% endfor %}
{% for x in deep recursive %}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}@{{ loop.depth }}{% endif %}]{% endfor %}
{% for x in l %}{{ loop(x) }}{% endfor %}
{% set x = 1 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(c=0, l=[]) %}{% for y in l %}{% set ns.c = ns.c + y %}{% set ns.l = ns.l + [y] %}{% endfor %}{{ ns.c }}{{ ns.l }}{{ ns.x is defined }}{% set ns.x = 1 %}{{ ns.x }}{{ ns }}
{% set d.x = 1 %}
{% set missing.x = 1 %}
{% set ns = namespace(_a=1) %}
{% set ns = namespace() %}{% set ns._a = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set (a, b) = (b, a) %}{{ a }}{{ b }}
{% set a, b = 1 %}
{% set x %}block {{ n }}{% set y = 5 %}{% endset %}{{ x }}{{ y is defined }}{% set z | upper | replace('A', 'b') %}abc{% endset %}{{ z }}
{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b')|trim %} aaa {% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% set c = 3 %}{% endwith %}{{ c is defined }}{{ a is defined }}
{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=1, a=2) }}{{ f() }}{{ f.name }}{{ f(1)|upper }}{{ f(*[1, 2]) }}{{ f(**{'a': 5}) }}
{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{% endmacro %}{{ f(x=2) }}
{% macro f(a) %}{% endmacro %}{{ f(1, a=2) }}
{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}
{% macro f() %}[{{ caller() }}{{ caller() }}]{% endmacro %}{% call f() %}in {{ n }}{% endcall %}{% macro g() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b) g() %}{{ a }}{{ b }}{% endcall %}
{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}
{% macro f() %}x{% endmacro %}{% call f() %}{% endcall %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}
{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% set x = 1 %}{{ f() }}{% for x in l %}{{ f() }}{% endfor %}
{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}{{ f is defined }}
{% if no %}a{% elif n == 7 %}b{% elif yes %}c{% else %}d{% endif %}{% if no %}{% elif no %}{% else %}e{% endif %}{% if missing %}x{% endif %}{% if nil is none and not empty %}y{% endif %}
{% raw %}{{ not }} {% this %}{# #}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  |
a{# comment {{ x }} {% y %} #}b{#- c -#}   d
{% generation %}{{ s }}{% set x = 1 %}{% endgeneration %}{{ x is defined }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}
{{ raise_exception('No ' ~ n) }}
{{ raise_exception() }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %a %A %j %y %I %p %-d %e %F %T %% %U %W') }}
{{ 'a\tb\x41\u00e9\'\"\\\q\101' }} {{ "it's" }} {{ 'a
b' }}
{{ [1, 2,] }} {{ {'a': 1,} }} {{ (1, 2,) }} {{ f (1) if no else 2 }} {{ 1_000 }} {{ 1e3 }} {{ 1.5e-3 }} {{ {'a': {}}['a'] }} {{ {}.x is defined }}
{{ True }}{{ False }}{{ None }}{{ true }}{{ false }}{{ none }}
{{ 1 if 2 if 3 else 4 else 5 }}
{{ l|first + 1 }} {{ -n|abs }} {{ l[0]|string + 'x' }} {{ (l|length) * 2 }} {{ not l|length }} {{ 'a'.upper()|lower }} {{ s.split(', ')[0].upper()[1:]|lower|length }}
{{ x.y.z }}
{{ d|nope }}
{% if no %}{{ d|nope }}{% endif %}fine
{{ d|nope if no else 'fine' }}
{% if yes %}{{ d|nope }}{% endif %}
{% if no %}{% for x in l %}{{ d|nope }}{% endfor %}{% endif %}
{% include 'x' %}
{% nope %}
{% if yes %}
{{ s
{% for x in %}{% endfor %}
{% endif %}
{{ 1 + }}
{{ }}
{{ [1, 2 }}
{{ ) }}
{{ 'a }}
{{ a b }}
{{ 1 is }}
{% set 1 = 2 %}
{% set none = 2 %}
{{ f(a=1, 2) }}
{{ $ }}
{# open
{% raw %} open
{{ range(3) }}{{ range(3)[1] }}{{ l[1.5] is defined }}{{ d[nil] is defined }}{{ s[:2] ~ s[-2:] }}
{{ s.upper }}
"""
BLOCKS = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc\n", "  {{ s }}  \n\n  {{- s -}}  \n x",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\nc", "{% if true %}\n\nx{% endif %}\n\n", "a {% if true %} b {% endif %} c\n",
    "  {# c #}\n  {#- c -#}\n  x {# c #}\ny", "\n\n{% set a = 1 %}\n{{ a }}\n\n\n", "\r\na\r{% if true %}\r\nb\r\n{% endif %}\r\n\r\n",
    "{% raw %}\n a\n {% endraw %}\nb", "x\n\t {% raw -%}\n a\n {%- endraw %}\nb", "\u00a0\u00a0{% if true %}x{% endif %}", "{{ s -}}\n\n{% if true +%}\nx{% endif %}",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\n", "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}\n", "{{ '{{' }} {{ '%}' }} {{ \"}}\" }}",
    "a\n{%- if true %}\n    b\n{%- endif %}\n", "\n{{ n }}\n  {% if true %}{% endif %}  \n", "{{ {'a': {'b': 1}}}}", "}} %} #} {", "{ { {a% b",
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
        {{- '\\n<call>' ~ call.function.name ~ ' ' ~ (arguments if arguments is string else arguments|tojson) ~ '</call>' }}
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
    snippets = SNIPPETS.strip("\n").replace("\nb'", "\0b'").split("\n")
    snippets = [s.replace("\0", "\n") for s in snippets]
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

# SPDX-License-Identifier: Apache-2.0
"""Random template snippets: what a template author, careless or hostile, may write."""
import random

NAMES = ["s", "n", "f", "z", "l", "w", "e", "d", "o", "yes", "nothing", "missing", "bos_token",
         "messages", "messages[0]", "messages[-1]", "messages[1].tool_calls", "ns", "ns.x", "loop"]
LITERALS = ["0", "1", "2", "-1", "3", "10", "1.5", "0.1", "1e20", "1e-7", "100.0", "'a'", "'b'", "''",
            "'a b  c'", "' pad '", "\"it's\"", "'x,y,z'", "'Stra\u00dfe'", "'\\n\\t\\'\\\\'",
            "'\u00e9\u4f60\U0001F600'", "'one\\ntwo\\n\\nthree'", "'42'", "' -7 '", "'3.9'", "'0x1f'",
            "true", "false", "none", "[]", "{}", "()", "[1, 2, 3]", "['b', 'a']", "(1, 'x')",
            "{'a': 1, 'b': [2]}", "{1: 'i', none: 'n', true: 't'}", "[1, [2, [3]], {'k': 'v'}]", "(1,)",
            "[none, true, 1.0]", "range(4)", "range(5, 0, -2)", "'%s-%s'", "'{} {}'", "'a<b&c'",
            "'camelCase'", "'HELLO world'", "'\u01c6 \u0130i \u00e4'"]
FILTERS = ["trim", "upper", "lower", "title", "capitalize", "length", "count", "first", "last", "list",
           "string", "int", "float", "tojson", "tojson(indent=2)", "tojson(indent=4)",
           "tojson(separators=(',', ':'))", "tojson(ensure_ascii=true)", "tojson(sort_keys=true)", "items|list", "dictsort",
           "sort", "sort(reverse=true)", "sort(attribute='k')", "sort(case_sensitive=true)",
           "unique|list", "reverse", "reverse|list", "escape", "e", "abs", "round", "round(1)",
           "round(2, 'floor')", "round(0, 'ceil')", "round(-1)", "sum", "min", "max", "join", "join(', ')", "join('-', attribute='t')",
           "default('D')", "d('D', true)", "replace('a', 'XX')", "replace('', '.')",
           "replace('l', 'L', 1)", "map('upper')|list", "map(attribute='t')|list",
           "map(attribute='k', default=0)|list", "map('string')|join('+')", "select|list",
           "select('odd')|list", "reject('equalto', 1)|list", "selectattr('k')|list",
           "selectattr('k', 'defined')|list", "selectattr('role', 'equalto', 'tool')|map(attribute='content')|list",
           "rejectattr('k', 'undefined')|list", "indent", "indent(2, true)", "indent('> ', blank=true)",
           "attr('k')", "truncate(5)", "truncate(6, true, '..', 0)", "wordcount", "trim('xa ')", "format('a', 'b')",
           "int(default=3)", "int(0, 16)", "float(1.5)", "nosuchfilter", "map('nosuch')|list", "sum(start=1)",
           "sum(attribute='k')", "max(attribute='t')", "dictsort(by='value')", "first|default('F')", "items"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true",
         "false", "mapping", "iterable", "sequence", "even", "odd", "equalto 1", "eq('a')", "==(1)", "ne 1",
         "lt 2", "gt(1)", "ge 1.0", "le 3", "in [1, 'a', none]", "in 'abc'", "divisibleby 2", "sameas none", "sameas true",
         "callable", "upper", "lower", "filter", "test", "nosuchtest", "lessthan(5)"]
METHODS = ["strip()", "strip(' a')", "lstrip()", "rstrip('d ')", "split()", "split(' ')", "split('a', 1)",
           "rsplit('\\n', 1)", "split(none, 1)", "split('')", "splitlines()", "splitlines(true)", "startswith('a')",
           "endswith(('d', ' '))", "replace('a', 'b')", "upper()", "lower()", "title()", "capitalize()",
           "find('l')", "rfind('l')", "index('a')", "count('l')", "count('')", "join(['x', 'y'])", "join(w)",
           "format(1, 'b')", "format(a=1)", "isdigit()", "isalpha()", "isspace()", "isupper()", "get('a')",
           "get('zz')", "get('zz', 'no')", "items()", "keys()", "values()", "items()|list", "keys()|list", "append(1)",
           "pop()", "index(1)", "count(1)", "update({})", "copy()", "nosuch()", "removeprefix('H')",
           "partition(',')", "rpartition('l')", "find('l', 3)", "startswith('e', 1)", "split(sep=',', maxsplit=1)", "encode", "items", "__class__", "_x",
           "isalnum()", "islower()", "isnumeric()"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or",
             "in", "not in"]
SUBSCRIPTS = ["[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "[::2]", "[-2:]", "[5:1:-2]", "['a']", "['items']",
              "[none]", "[1.0]", "[100]", "[:100]", "[::0]", ".a", ".b", ".items", ".k", ".role", ".content",
              ".x.y", "['nosuch']", "[1:'a']", "[true]", "[()]", "[[]]", ".0", "[-100]", "[-100:2]"]
STATEMENTS = [
    "{{% for x in {0} %}}{{{{ loop.index }}}}{{{{ x }}}}{{% if not loop.last %}},{{% endif %}}{{% else %}}none{{% endfor %}}",
    "{{% for x in {0} if x is string %}}{{{{ loop.index0 }}}}/{{{{ loop.length }}}}:{{{{ x }}}};{{% endfor %}}",
    "{{% for a, b in {0} %}}{{{{ a }}}}={{{{ b }}}} {{% endfor %}}",
    "{{% for x in {0} %}}{{{{ loop.previtem }}}}<{{{{ x }}}}<{{{{ loop.nextitem }}}}|{{{{ loop.revindex }}}}{{% endfor %}}",
    "{{% for x in {0} %}}{{% if loop.index == 2 %}}{{% continue %}}{{% endif %}}{{% if loop.index == 4 %}}{{% break %}}{{% endif %}}{{{{ x }}}}{{% endfor %}}",
    "{{% set y = {0} %}}{{{{ y }}}}{{% if {1} %}}T{{% elif {0} %}}E{{% else %}}F{{% endif %}}",
    "{{% set ns = namespace(x={0}) %}}{{% for i in range(2) %}}{{% set ns.x = [ns.x, i] %}}{{% set q = i %}}{{% endfor %}}{{{{ ns.x }}}}{{{{ q }}}}",
    "{{% macro m(a, b={0}) %}}<{{{{ a }}}}|{{{{ b }}}}>{{% endmacro %}}{{{{ m({1}) }}}}{{{{ m(1, b=2) }}}}{{{{ m() }}}}",
    "{{% set y %}}  a{{{{ {0} }}}}b {{% endset %}}[{{{{ y|trim }}}}]",
    "{{% set y | upper %}}a{{{{ {0} }}}}{{% endset %}}{{{{ y }}}}",
    "{{% set a, b = {0} %}}{{{{ b }}}}{{{{ a }}}}",
    "{{% with p = {0}, q = 2 %}}{{{{ p }}}}{{{{ q }}}}{{% endwith %}}{{{{ p is defined }}}}",
    "{{% filter upper %}}x{{{{ {0} }}}}{{% endfilter %}}",
    "{{% macro w() %}}({{{{ caller({0}) }}}}){{% endmacro %}}{{% call(v) w() %}}c{{{{ v }}}}{{% endcall %}}",
    "{{% generation %}}{{% set g = 1 %}}{{{{ {0} }}}}{{% endgeneration %}}{{{{ g is defined }}}}",
    "  {{%- if {0} -%}}  a  {{%- endif %}}\n  {{% if {1} %}}\n  b\n  {{%+ endif +%}}\n c {{#- x -#}} d",
    "{{% for x in [1, 2] %}}{{% for y in {0} %}}{{{{ loop.first }}}}{{{{ x }}}}{{% endfor %}}{{{{ loop.last }}}}{{% endfor %}}",
    "{{% if {0} is defined and {0} %}}1{{% endif %}}{{{{ {1} if {0} }}}}",
    "{{% set g = {0}|map('string') %}}{{{{ g|first }}}}{{{{ g|list }}}}{{{{ g|list }}}}",
    "{{% macro v() %}}{{{{ varargs }}}}{{{{ kwargs }}}}{{% endmacro %}}{{{{ v(1, {0}, k={1}) }}}}",
    "{{{{ dict(a={0}, b=2) }}}}{{{{ dict([('x', {1})], **{{'y': 1}}) }}}}",
    "{{% for k, v in {0}|items %}}{{{{ k }}}}:{{{{ v }}}};{{% endfor %}}{{{{ loop is defined }}}}",
    "{{% for x in {0} %}}{{{{ loop.cycle('a', 'b') }}}}{{{{ loop.changed(x) }}}}{{% endfor %}}",
]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def expression(self, depth):
        r = self.random
        if depth <= 0:
            return r.choice(NAMES if r.random() < 0.4 else LITERALS)
        kind = r.random()
        inner = self.expression(depth - 1)
        if kind < 0.22:
            return f"({inner}){'|' if r.random() < 0.9 else ' | '}{r.choice(FILTERS)}"
        if kind < 0.36:
            return f"({inner}).{r.choice(METHODS)}"
        if kind < 0.48:
            return f"({inner}){r.choice(SUBSCRIPTS)}"
        if kind < 0.72:
            return f"{inner} {r.choice(OPERATORS)} {self.expression(depth - 1)}"
        if kind < 0.80:
            return f"({inner} is {'not ' if r.random() < 0.3 else ''}{r.choice(TESTS)})"
        if kind < 0.85:
            return f"{inner} if {self.expression(depth - 1)} else {self.expression(depth - 1)}"
        if kind < 0.90:
            return f"{r.choice(['not ', '-', '+', ''])}({inner})"
        if kind < 0.95:
            return f"[{inner}, {self.expression(depth - 1)}]"
        return f"{{'k': {inner}, {r.choice(LITERALS)}: 1}}"

    def source(self):
        r = self.random
        if r.random() < 0.35:
            return r.choice(STATEMENTS).format(self.expression(r.randint(0, 2)),
                                               self.expression(r.randint(0, 1)))
        return "{{ " + self.expression(r.randint(1, 3)) + " }}"


# Counting the words of a printed object counts its address.
def comparable(source):
    return not ("items)" in source and "wordcount" in source)


def sources(seed, count):
    generator = Generator(seed)
    produced = 0
    while produced < count:
        source = generator.source()
        if comparable(source):
            produced += 1
            yield source

"""Rego's text is taken apart where its strings, comments and brackets say, and nowhere else."""

from __future__ import annotations

import pytest

from pipeline.policy.rego_text import bound, keys, parts, read_module, references, texts, tokens
from pipeline.policy_tools.pack import Pack, settings_of

TEXT = r"""# METADATA
# title: x := 1 if {
package a.b

import data.lib.read
import data.lib.other as o
import input.grant

# } " `
default _x := {}

_x := "} # \" {" if `raw " #
}` == "a"

f(a, b) := c if {
	c := a + # }
		b; a > 1
	every x, y in [a] { x == y }
} else := null

deny contains o.whole("code", {"a": _x}) if not f(1, read.at(input, ["k", a])).z

y := _x[
	"k"
] |
	_x
"""


def test_strings_and_comments_hide_what_is_in_them() -> None:
    found = tokens('a # b "c"\n"d # e" `f " # \n g` h')
    assert [(t.kind, t.text) for t in found] == [
        ("name", "a"),
        ("string", '"d # e"'),
        ("string", '`f " # \n g`'),
        ("name", "h"),
    ]
    assert [(t.mark.line, t.mark.column) for t in found] == [(1, 1), (2, 1), (2, 9), (3, 5)]
    assert [t.value for t in found] == [None, "d # e", 'f " # \n g', None]


def test_a_module_is_its_package_imports_and_definitions() -> None:
    module = read_module("m.rego", TEXT)
    assert module.package == "a.b"
    assert module.imports == {
        "read": "data.lib.read",
        "o": "data.lib.other",
        "grant": "input.grant",
    }
    assert [(d.name, d.mark.line) for d in module.definitions] == [
        ("_x", 10),
        ("_x", 12),
        ("f", 15),
        ("deny", 21),
        ("y", 23),
    ]
    default, _, f, deny, y = module.definitions
    assert (default.is_default, f.parameters, deny.is_set) == (True, ("a", "b"), True)
    assert len(module.rules["_x"]) == 2
    assert y.clauses[0].body is None


def test_a_body_is_its_expressions_and_an_else_another_clause() -> None:
    module = read_module("m.rego", TEXT)
    first, second = module.rules["f"][0].clauses
    assert first.body is not None
    assert [module.between(e[0], e[-1]) for e in first.body] == [
        "c := a + # }\n\t\tb",
        "a > 1",
        "every x, y in [a] { x == y }",
    ]
    assert (second.body, [t.text for t in second.given]) == (None, ["null"])


def test_references_are_found_in_arguments_too() -> None:
    module = read_module("m.rego", TEXT)
    body = module.rules["deny"][0].clauses[0].body
    assert body is not None
    found = {reference.path: reference.arguments for reference in references(body[0])}
    assert set(found) == {("f",), ("read", "at"), ("input",), ("a",)}
    assert len(found[("read", "at")] or ()) == 2
    assert found[("input",)] is None
    assert [r.path for r in references(tokens('a.b["c"].d[e].f'))] == [("a", "b", "c", "d"), ("e",)]


def test_small_readers() -> None:
    assert keys(tokens('{"a": 1, "b": {"c": 2}}')) == {"a", "b"}
    assert keys(tokens('{"a", "b"}')) is None
    assert keys(tokens("{}")) == frozenset()
    assert texts(tokens('["a", "b", c, "d"]')) == ("a", "b")
    assert texts(tokens('"a"')) == ()
    assert bound(tokens("some i, [x, y] in z")) == {"i", "x", "y"}
    assert bound(tokens("a := b")) == {"a"}
    assert len(parts(tokens("f(a, b), c"), ",")) == 2


@pytest.mark.parametrize(
    "text", ["", "}", '"', "`", "package", "import", "x if", "f(", "((((", "else"]
)
def test_what_is_no_rego_is_survived(text: str) -> None:
    read_module("m.rego", text)
    list(references(tokens(text)))


PACK = Pack(
    read_module(f"{index}.rego", text)
    for index, text in enumerate(
        (
            "package lib.settings\n\nat(path) := path\n\n"
            'teams := at(["people", "teams"])\n\npositive(path) := at(path)\n',
            "package access.rules.moon\n\nimport data.lib.settings\n\n"
            "_by(path, name) := settings.at(array.concat(path, [name]))\n\n"
            "a if _b\n\n_b if settings.teams\n\n"
            'c := _by(["limits", "by"], "x") + settings.positive(["limits", name])\n\n'
            'd := data.lib.settings.at(["moon", "x", y])\n',
        )
    )
)


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("a", {("people", "teams")}),
        ("_b", {("people", "teams")}),
        ("c", {("limits", "by"), ("limits",)}),
        ("d", {("moon", "x")}),
        ("_by", set()),
    ],
)
def test_the_settings_of_a_rule_are_those_of_what_it_needs(
    rule: str, expected: set[tuple[str, ...]]
) -> None:
    module = PACK.modules["access.rules.moon"]
    assert PACK.reads(module, module.rules[rule][0]) == expected


def test_settings_have_their_places() -> None:
    files = {
        "settings/moon/data.yaml": "# x\nlimit: 1\nby:\n  new: 2\n",
        "settings/sun/data.yaml": "a: [",
        "other/data.yaml": "b: 1\n",
    }
    assert {
        ".".join(keys): (one.file, one.mark.line) for keys, one in settings_of(files).items()
    } == {
        "moon.limit": ("settings/moon/data.yaml", 2),
        "moon.by": ("settings/moon/data.yaml", 3),
        "moon.by.new": ("settings/moon/data.yaml", 4),
    }

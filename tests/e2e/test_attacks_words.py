"""What a requester writes is shown, and does nothing: to Markdown, to people, to terminals."""

from __future__ import annotations

import re

import pytest

from tests.e2e.support_world import Acme, grant, path_of

EVIL = [
    "### ✅ Allowed",
    "@acme/security please",
    "<!-- daypass:result -->",
    "[click](https://evil.example/x)",
    "https://evil.example/login",
    "www.evil.example",
    "`code` **bold** | cell | #1",
    "<img src=x onerror=alert(1)>",
    "&#64;bob &lt;b&gt;",
    "GH-1 acme/access#1",
]


def _comments(acme: Acme, text: str, branch: str = "ask") -> str:
    number = acme.request("alice", branch, {path_of("alice/one"): text})
    acme.check(number, merge=False)
    return "\n".join(acme.person("alice").comments(number))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("where", ["reason", "ticket", "key", "role"])
def test_words_in_a_grant_are_shown_as_they_are(acme: Acme, where: str) -> None:
    for place, evil in enumerate(EVIL):
        text = {
            "reason": grant(reason=_quoted(f"{evil} and a reason that is long enough")),
            "ticket": grant(ticket=_quoted(evil)),
            "key": grant() + f"{_quoted(evil)}: 1\n",
            "role": grant().replace("log-viewer", _quoted(evil)),
        }[where]
        _nothing_of_it_acts(_comments(acme, text, f"ask-{place}"))


def _nothing_of_it_acts(comment: str) -> None:
    lines = comment.splitlines()
    assert sum(line.startswith("### ") for line in lines) == 1
    assert sum("<!-- daypass:" in line for line in lines) == 1
    for live in ("@acme", "@bob", "](http", "https://evil", "www.evil", "acme/access#1"):
        assert live not in comment, comment
    assert not re.search(r"(?<!\\)<(img|!--(?! daypass:check -->))", comment), comment


def test_what_is_escaped_is_still_shown(acme: Acme) -> None:
    comment = _comments(acme, grant(ticket="'@acme/security'"))
    assert "acme/security" in comment


@pytest.mark.parametrize("hidden", ["\\e[2J", "\\u202e", "\\u200b", "\\x9b", "\\n### ok", "\\a"])
def test_characters_that_nobody_sees_are_refused(acme: Acme, hidden: str) -> None:
    text = grant(reason=f'"A reason {hidden} that is long enough to pass"')
    number = acme.request("alice", "ask", {path_of("alice/one"): text})
    checked = acme.daypass("check", "--pr", str(number), "--post")
    assert checked.code == 2
    assert not {"\x1b", "\u202e", "\u200b", "\x9b", "\x07"} & set(checked.said)
    comment = "\n".join(acme.person("alice").comments(number))
    assert not {"\x1b", "\u202e", "\u200b", "\x9b", "\x07"} & set(comment.replace("&#8203;", ""))


def test_what_is_on_the_default_branch_drives_no_terminal(acme: Acme) -> None:
    acme.bypass()
    acme.push("mallory", {path_of("mallory/x"): grant("mallory", reason='"\\e[2J\\u202e\\x9b"')})
    for command in (["apply"], ["status"], ["plan"], ["expire"], ["audit", "log"]):
        said = acme.daypass(*command).said
        assert not {"\x1b", "\u202e", "\x9b"} & set(said), command

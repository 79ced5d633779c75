"""GitHub's REST API, written. An object of its own: a job with read credentials has none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import ForgeError, RefMoved
from pipeline.forge.answers import number_at, text_at, value_at
from pipeline.forge.github_api import API_URL, Api, GitHubRefused, comments_of, ref_path, tip_of
from pipeline.forge.plumbing import inner_path, object_id, ref_name

BODY_CAP = 65_536
"""Characters that GitHub takes as the body of a comment, pull request or summary."""

ANNOTATIONS_CAP = 50
"""Per request: https://docs.github.com/rest/checks/runs"""

_SUMMARY_CAP = 65_535
RETIRED = "This comment is no longer in use: the check run and the newest comment count."
_TITLE_CAP = 255
_MARKER = re.compile(r"[a-z0-9][a-z0-9:._-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """A remark at a place in a file of the pull request; one-based."""

    path: str
    line: int
    column: int
    level: str
    """`notice`, `warning` or `failure`."""

    message: str


class GitHubWriter:
    """Writes to GitHub as an App. Every method raises `ForgeError` on failure.

    The *token* is the writing App's own, never the reader's. Token permissions: contents
    and pull requests for the keeper; checks and pull requests for the checker.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        api_url: str = API_URL,
        timeout: int = 30,
        pace: bool = True,
    ) -> None:
        self._api = Api(repository, token, api_url=api_url, timeout=timeout, pace=pace)
        self._root = self._api.root

    def merge(self, number: int, *, sha: str, method: str = "squash", title: str) -> str:
        """Merges the pull request if its head is still *sha*; returns the merge commit.

        Merging again what was merged at that head succeeds quietly.
        """
        if method not in ("squash", "merge"):
            raise ForgeError(f"{method!r} merges cannot be proven", hint="use squash or merge")
        body = {"sha": object_id(sha), "merge_method": method, "commit_title": title[:_TITLE_CAP]}
        try:
            done = self._api.send("PUT", f"{self._root}/pulls/{number:d}/merge", body)
        except GitHubRefused as error:
            if error.status not in (405, 409):
                raise
            # A lost answer, or another run: the same head merged is what was asked for.
            now = self._api.get(f"{self._root}/pulls/{number:d}")
            head = text_at(now, "head", "sha")
            if value_at(now, "merged") is True and head == sha:
                return text_at(now, "merge_commit_sha")
            if head != sha:
                raise ForgeError(
                    f"#{number} was not merged: its head moved from {sha[:7]} to {head[:7]}",
                    hint="it is judged again at its new head",
                ) from error
            raise
        if value_at(done, "merged") is not True:
            raise ForgeError(f"GitHub did not merge #{number}")
        return text_at(done, "sha")

    def check_run(
        self,
        head_sha: str,
        *,
        name: str,
        conclusion: str,
        title: str,
        summary: str,
        annotations: Sequence[Annotation] = (),
        external_id: str = "",
    ) -> int:
        """Posts a finished check run on *head_sha* and returns its id.

        *conclusion* is GitHub's: `success`, `failure`, `neutral`, `action_required`, …
        """
        output = {"title": title[:_TITLE_CAP], "summary": shortened(summary, _SUMMARY_CAP)}
        remarks = [_remark(annotation) for annotation in annotations]
        batches = [
            remarks[start : start + ANNOTATIONS_CAP]
            for start in range(0, len(remarks), ANNOTATIONS_CAP)
        ] or [[]]
        run = self._api.send(
            "POST",
            f"{self._root}/check-runs",
            {
                "name": name,
                "head_sha": object_id(head_sha),
                "status": "completed",
                "conclusion": conclusion,
                "external_id": external_id,
                "output": {**output, "annotations": batches[0]},
            },
        )
        number = number_at(run, "id")
        for batch in batches[1:]:
            self._api.send(
                "PATCH",
                f"{self._root}/check-runs/{number}",
                {"output": {**output, "annotations": batch}},
            )
        return number

    def comment(self, number: int, *, marker: str, body: str, bot_id: int) -> int:
        """Keeps one comment under *marker* on the pull request; returns its id.

        It is edited in place, and left alone where it says the same already. Only a comment
        of account *bot_id* is taken for it: anyone may write the marker. An installation
        token cannot ask who it is (`GET /user` is for people), so the caller says; it is
        the id of `<app>[bot]`, by `GET /users/<app>[bot]`.
        """
        first = hidden(marker)
        text = shortened(f"{first}\n{body}", BODY_CAP)
        mine = [
            comment
            for comment in comments_of(self._api, number)
            if comment.author is not None
            and comment.author.id == bot_id
            and comment.body.startswith(first)
        ]
        if not mine:
            made = self._api.send(
                "POST", f"{self._root}/issues/{number:d}/comments", {"body": text}
            )
            return number_at(made, "id")
        # GitHub stores carriage returns as they came, and may trim the end.
        if mine[0].body.replace("\r\n", "\n").rstrip() != text.rstrip():
            self._api.send("PATCH", f"{self._root}/issues/comments/{mine[0].id}", {"body": text})
        return mine[0].id

    def retire_comment(self, comment: int) -> None:
        """Takes a comment out of use, which somebody else made something of."""
        address = f"{self._root}/issues/comments/{comment:d}"
        self._api.send("PATCH", address, {"body": RETIRED})

    def open_pull(
        self,
        branch: str,
        *,
        base: str,
        base_sha: str,
        title: str,
        body: str,
        delete: Sequence[str] = (),
        write: Mapping[str, str] | None = None,
    ) -> int:
        """Opens the pull request that deletes the files *delete* and writes *write* (path to
        text); returns its number.

        *branch* is ours: it gets one commit on *base_sha*, and whatever it held is replaced
        where that differs. An open pull request from it into *base* is brought up to date
        and reused. Author and committer are left out, so that GitHub signs.
        """
        paths = sorted({inner_path(path) for path in delete})
        if not paths and not write:
            raise ForgeError("a pull request that changes nothing was asked for")
        root = text_at(self._commit(object_id(base_sha)), "tree", "sha")
        gone: list[dict[str, str | None]] = [
            {"path": path, "mode": "100644", "type": "blob", "sha": None} for path in paths
        ]
        tree = self._tree(root, gone + self._blobs(write or {}))
        if tree == root:
            raise ForgeError(f"{base_sha[:7]} is as asked for already: nothing would change")
        self._point(branch, tree=tree, parent=base_sha, message=title)
        return self._pull_from(branch, base, title[:_TITLE_CAP], shortened(body, BODY_CAP))

    def _blobs(self, files: Mapping[str, str]) -> list[dict[str, str | None]]:
        """Stores each text and returns the entries that put it into a tree."""
        entries: list[dict[str, str | None]] = []
        for path in sorted(files):
            blob = self._api.send(
                "POST",
                f"{self._root}/git/blobs",
                {"content": files[path], "encoding": "utf-8"},
            )
            entries.append(
                {
                    "path": inner_path(path),
                    "mode": "100644",
                    "type": "blob",
                    "sha": text_at(blob, "sha"),
                }
            )
        return entries

    def append(
        self, branch: str, files: Mapping[str, str], message: str, *, parent: str | None
    ) -> str:
        """Commits *files* (path to text) on top of *parent*, the tip of *branch*.

        Returns the new tip. With *parent* None the branch is made, with a root commit. The
        branch only ever moves forward: raises `RefMoved` where it is no longer at *parent*
        (or, to be made, is there already). Author and committer are left out, so that
        GitHub signs.
        """
        if not files:
            raise ForgeError("a commit without files was asked for")
        entries = self._blobs(files)
        below = text_at(self._commit(object_id(parent)), "tree", "sha") if parent else None
        tree = self._tree(below, entries)
        commit = self._new_commit(message, tree, [parent] if parent else [])
        try:
            if parent is None:
                self._make_ref(branch, commit)
            else:
                self._move_ref(branch, commit, force=False)
        except GitHubRefused as error:
            if error.status not in (404, 409, 422):
                raise
            tip = tip_of(self._api, branch)
            if tip == commit:
                # The answer to an earlier try of the same request was lost.
                return commit
            if tip == parent:
                raise
            raise RefMoved(
                f"{branch} is at {tip[:7] if tip else 'nothing'}, "
                f"not at {parent[:7] if parent else 'nothing'}",
                hint="another run wrote to it: read it again",
            ) from error
        return commit

    def delete_branch(self, name: str) -> None:
        """Deletes a branch; one that is gone already is fine."""
        try:
            self._api.send("DELETE", f"{self._root}/git/{ref_path(name)}")
        except GitHubRefused:
            if tip_of(self._api, name) is not None:
                raise

    def _commit(self, sha: str) -> object:
        return self._api.get(f"{self._root}/git/commits/{sha}")

    def _tree(self, base: str | None, entries: Sequence[Mapping[str, str | None]]) -> str:
        body: dict[str, object] = {"tree": list(entries)}
        if base is not None:
            body["base_tree"] = base
        return text_at(self._api.send("POST", f"{self._root}/git/trees", body), "sha")

    def _new_commit(self, message: str, tree: str, parents: Sequence[str]) -> str:
        body = {"message": message, "tree": tree, "parents": list(parents)}
        return text_at(self._api.send("POST", f"{self._root}/git/commits", body), "sha")

    def _make_ref(self, branch: str, sha: str) -> None:
        body = {"ref": ref_name(f"refs/heads/{branch}"), "sha": sha}
        self._api.send("POST", f"{self._root}/git/refs", body)

    def _move_ref(self, branch: str, sha: str, *, force: bool) -> None:
        self._api.send(
            "PATCH", f"{self._root}/git/{ref_path(branch)}", {"sha": sha, "force": force}
        )

    def _point(self, branch: str, *, tree: str, parent: str, message: str) -> None:
        """Makes *branch* one commit with *tree* on *parent*, unless it is that already."""
        tip = tip_of(self._api, branch)
        if tip is not None:
            there = self._api.get(f"{self._root}/git/commits/{tip}")
            parents = [text_at(one, "sha") for one in there.get("parents", ())]
            if text_at(there, "tree", "sha") == tree and parents == [parent]:
                return
        commit = self._new_commit(message, tree, [parent])
        if tip is None:
            self._make_ref(branch, commit)
        else:
            self._move_ref(branch, commit, force=True)

    def _pull_from(self, branch: str, base: str, title: str, body: str) -> int:
        query = {"state": "open", "head": f"{self._api.owner}:{branch}", "base": base}
        listed = self._api.pages(f"{self._root}/pulls", query, way_out="close some of them")
        for there in listed:
            if text_at(there, "head", "ref") != branch or text_at(there, "base", "ref") != base:
                continue
            number = number_at(there, "number")
            if there.get("title") != title or (there.get("body") or "") != body:
                self._api.send(
                    "PATCH", f"{self._root}/pulls/{number}", {"title": title, "body": body}
                )
            return number
        made = self._api.send(
            "POST",
            f"{self._root}/pulls",
            {"title": title, "head": branch, "base": base, "body": body},
        )
        return number_at(made, "number")


def hidden(marker: str) -> str:
    """Returns the first line of a comment, which nobody sees, by which it is found again."""
    if not _MARKER.fullmatch(marker):
        raise ForgeError(f"{marker!r} is no marker of a comment")
    return f"<!-- daypass:{marker} -->"


def shortened(text: str, limit: int) -> str:
    """Returns *text* cut to *limit* characters, which it then says; code fences are closed."""
    if len(text) <= limit:
        return text
    note = f"\n\n_Cut here: {len(text)} characters, GitHub takes {limit}._\n"
    kept = text[: limit - len(note) - len("\n```")]
    fences = sum(line.lstrip().startswith("```") for line in kept.splitlines())
    closing = "\n```" if fences % 2 else ""
    return f"{kept}{closing}{note}"


def _remark(annotation: Annotation) -> dict[str, object]:
    return {
        "path": annotation.path,
        "start_line": annotation.line,
        "end_line": annotation.line,
        "start_column": annotation.column,
        "end_column": annotation.column,
        "annotation_level": annotation.level,
        "message": annotation.message,
    }

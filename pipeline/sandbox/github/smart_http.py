"""Clone, fetch and push over HTTP, by git's own `upload-pack` and `receive-pack`.

They are called, and their answers labelled, as gitprotocol-http says and git-http-backend does.
Rulesets speak through an `update` hook, which is told in its environment which refs it must
refuse and which it must keep moving forward; git itself hides `refs/pull/` from pushes.
"""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.sandbox.github import ls_refs, moves, rules
from pipeline.sandbox.github.gitstore import git_environment, git_program
from pipeline.sandbox.github.gitvalues import ZERO
from pipeline.sandbox.github.routing import may
from pipeline.sandbox.github.state import GitHubState, HostedRepository, Viewer
from pipeline.sandbox.github.wire import ApiError, ApiRequest, Response

HOOK = """#!/bin/sh
# $1 ref, $2 before, $3 after
refuse() {
    echo "GH013: Repository rule violations found for $1." >&2
    echo "- $2" >&2
    exit 1
}
while read -r ref reason; do
    [ "$ref" = "$1" ] && refuse "$1" "$reason"
done <<END
$SANDBOX_REFUSED
END
for ref in $SANDBOX_FORWARD_ONLY; do
    [ "$ref" = "$1" ] || continue
    git merge-base --is-ancestor "$2" "$3" || refuse "$1" "Cannot force-push to this branch"
done
exit 0
"""


def install_hook(repository: Path) -> None:
    """Writes the hook that enforces rulesets on pushes."""
    hook = repository / "hooks" / "update"
    hook.write_text(HOOK)
    hook.chmod(0o755)


def operation(request: ApiRequest) -> tuple[str, str, str] | None:
    """Returns owner, repository and service of a git request, None for any other request."""
    path, dot, tail = request.path.partition(".git/")
    parts = path.strip("/").split("/")
    if not dot or len(parts) != 2:
        return None
    service = request.query.get("service", "") if tail == "info/refs" else tail
    if not service.startswith("git-"):
        return None
    return parts[0], parts[1], service.removeprefix("git-")


def refuse_access(
    world: GitHubState, viewer: Viewer | None, repository: HostedRepository | None, service: str
) -> Response | None:
    """Returns the refusal that a token deserves, None where it may go on."""
    writing = service == "receive-pack"
    if repository is not None and may(world, viewer, repository, "read", "contents"):
        if not writing or may(world, viewer, repository, "write", "contents"):
            return None
        if viewer is not None:
            name = viewer.account.login
            said = f"Permission to {repository.full_name}.git denied to {name}."
            return Response(status=403, body=said.encode(), headers=_PLAIN)
    if viewer is None:
        ask = {**_PLAIN, "WWW-Authenticate": 'Basic realm="GitHub"'}
        return Response(status=401, body=b"Authentication required.", headers=ask)
    return Response(status=404, body=b"Repository not found.", headers=_PLAIN)


_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


def receive(
    world: GitHubState, viewer: Viewer, repository: HostedRepository, request: ApiRequest
) -> Response:
    """Takes a push, under the rules, and records what it moved. The caller holds the lock."""
    before = dict(repository.git.refs())
    no: list[str] = []
    forward: list[str] = []
    for old, new, ref in _commands(request):
        branch = ref.removeprefix("refs/heads/")
        if branch == ref:
            continue
        there, then = (None if sha == ZERO else sha for sha in (old, new))
        no += [
            f"{ref} {why}"
            for why in rules.refused(repository, branch, there, then, viewer.account)[:1]
        ]
        if there and then and rules.wants_fast_forward(repository, branch):
            forward.append(ref)
    answer = serve(
        repository,
        request,
        {"SANDBOX_REFUSED": "\n".join(no), "SANDBOX_FORWARD_ONLY": " ".join(forward)},
    )
    moves.pushed(world, repository, viewer.account, before)
    return answer


def _commands(request: ApiRequest) -> list[tuple[str, str, str]]:
    """Reads the ref updates at the start of a push: old, new, ref."""
    body = _content(request)
    found = []
    at = 0
    while (size := _size(body[at : at + 4])) > 4:
        line = body[at + 4 : at + size].split(b"\0")[0].decode().strip()
        parts = line.split(" ", 2)
        if len(parts) == 3:
            found.append((parts[0], parts[1], parts[2]))
        at += size
    return found


def _size(prefix: bytes) -> int:
    try:
        return int(prefix or b"0", 16)
    except ValueError:
        raise ApiError(400, "Malformed pkt-line") from None


def serve(
    repository: HostedRepository, request: ApiRequest, extra: Mapping[str, str] | None = None
) -> Response:
    """Hands a request to git and returns its answer."""
    # In version 2 of the protocol a fetch begins by asking what this git can do, whatever the
    # repository holds (gitprotocol-v2, "Capability Advertisement").
    version = request.headers.get("git-protocol")
    hello = request.method, request.query.get("service"), version
    constant = hello == ("GET", "git-upload-pack", "version=2")
    if constant and repository.git.hello is not None:
        return repository.git.hello
    reading = request.method == "POST" and request.path.endswith("/git-upload-pack")
    if reading and version == "version=2":
        listed = _list_refs(repository, request)
        if listed is not None:
            return Response(status=200, body=listed, headers=_answered("git-upload-pack-result"))
    answer = _served(repository, request, extra)
    if constant and answer.status == 200:
        repository.git.hello = answer
    return answer


def _list_refs(repository: HostedRepository, request: ApiRequest) -> bytes | None:
    git = repository.git
    asked = ls_refs.arguments(_content(request))
    refs = git.refs()
    if asked is None or not all(git.has(sha, "commit") for sha in refs.values()):
        return None
    return ls_refs.answer(asked, refs, head=f"refs/heads/{repository.default_branch}")


def _served(
    repository: HostedRepository, request: ApiRequest, extra: Mapping[str, str] | None
) -> Response:
    path = repository.git.path
    tail = request.path.partition(".git/")[2]
    greeting = tail == "info/refs"
    service = request.query["service"] if greeting else tail
    posted = f"application/x-{service}-request"
    if request.method != ("GET" if greeting else "POST"):
        raise ApiError(405, "Method Not Allowed")
    if not greeting and request.headers.get("content-type") != posted:
        raise ApiError(415, f"Expected {posted}")
    environment = {
        **git_environment(path.parent),
        # Whoever pushed; nothing that is kept holds it.
        "GIT_COMMITTER_NAME": "authenticated",
        "GIT_COMMITTER_EMAIL": "authenticated@http.127.0.0.1",
        **(extra or {}),
    }
    if "git-protocol" in request.headers:
        environment["GIT_PROTOCOL"] = request.headers["git-protocol"]
    done = subprocess.run(
        [
            git_program(),
            service.removeprefix("git-"),
            "--stateless-rpc",
            *(["--http-backend-info-refs"] if greeting else []),
            str(path),
        ],
        env=environment,
        input=_content(request),
        capture_output=True,
        check=False,
    )
    if done.returncode and not done.stdout:
        return Response(status=500, body=done.stderr, headers=_PLAIN)
    body = done.stdout
    if greeting and "version=2" not in environment.get("GIT_PROTOCOL", "").split(":"):
        body = _line(f"# service={service}\n") + b"0000" + body
    kind = "advertisement" if greeting else "result"
    return Response(status=200, body=body, headers=_answered(f"{service}-{kind}"))


def _line(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()


def _content(request: ApiRequest) -> bytes:
    if request.headers.get("content-encoding") == "gzip":
        return gzip.decompress(request.body)
    return request.body


def _answered(kind: str) -> dict[str, str]:
    return {
        "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
        "Pragma": "no-cache",
        "Cache-Control": "no-cache, max-age=0, must-revalidate",
        "Content-Type": f"application/x-{kind}",
    }

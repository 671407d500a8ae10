"""Fetches the one branch that policy comes from into a bare repository of ours, and reads the folder of its tip.

Nothing is ever checked out. Of the caller's environment and of Git's settings nothing counts but what stands here.
"""

import base64
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from keymgr.policy.problems import Problems
from keymgr.reconcile.ancestry import Descends, descends
from keymgr.reconcile.git import Answer, ask
from keymgr.reconcile.git_files import files_of
from keymgr.reconcile.signatures import NotSigned, Signers, verify_commit

FETCH_SECONDS = 120.0
_TIP = "refs/heads/policy"
_SLOWEST_BYTES_PER_SECOND = "1000"
_SLOW_SECONDS = "20"
_NOTES_MAX = 300


@dataclass(frozen=True, slots=True)
class Source:
    """Where policy is fetched from: repository, branch, folder in it (empty: its top), and where our copy lies.

    With `signers` only a commit that one of them signed is good.
    """

    url: str = field(repr=False)
    branch: str
    folder: str
    cache: Path
    signers: Signers | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The tip of the branch with the files of its policy folder; `signer` is set where a signature was asked for."""

    sha: str
    author: str | None
    files: dict[str, bytes] | Problems
    descends: Descends
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class NotFetched:
    """There is nothing to apply; the sentence says why. `sha` is set when it is the commit that is no good."""

    sentence: str
    sha: str | None = None


def fetch(source: Source) -> Fetched | NotFetched:
    """Bring the tip of the branch here. Never raises for what the other side or the disk does."""
    cache = source.cache
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return NotFetched(f"The folder {cache} cannot be made: {error.strerror}. Look at KEYMGR_POLICY_PULL_CACHE.")
    if not (cache / "HEAD").exists():
        made = ask(cache, "init", "--quiet", "--bare", "--template=", ".")
        if made is None or made.code:
            return NotFetched(f"Git cannot make a repository in {cache}: {_said(made)}")
    wanted = f"+refs/heads/{source.branch}:{_TIP}"
    arguments = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "policy", wanted)
    done = ask(cache, *arguments, variables=_variables(source.url), seconds=FETCH_SECONDS)
    if done is None or done.code:
        return NotFetched(f"The branch {source.branch} cannot be fetched: {_said(done)}")
    tip = ask(cache, "rev-parse", "--verify", "--quiet", f"{_TIP}^{{commit}}")
    if tip is None or tip.code:
        return NotFetched(f"The branch {source.branch} has no commit.")
    return _read(source, tip.text)


def _read(source: Source, sha: str) -> Fetched | NotFetched:
    signer = None
    if source.signers is not None:
        signed = verify_commit(source.cache, sha, source.signers)
        if isinstance(signed, NotSigned):
            return NotFetched(signed.sentence, sha)
        signer = signed.signer
    tree = f"{sha}:{source.folder}" if source.folder else sha
    if source.folder and not _is_folder(source.cache, tree):
        return NotFetched(f"Commit {sha[:12]} has no folder {source.folder}. Look at KEYMGR_POLICY_PULL_PATH.", sha)
    author = ask(source.cache, "log", "-1", "--no-show-signature", "--format=%an <%ae>", sha)
    return Fetched(
        sha=sha,
        author=None if author is None or author.code else author.text,
        files=files_of(source.cache, sha, tree),
        descends=partial(descends, source.cache, sha),
        signer=signer,
    )


def _is_folder(cache: Path, tree: str) -> bool:
    answer = ask(cache, "cat-file", "-t", tree)
    return answer is not None and answer.text == "tree"


def _variables(url: str) -> dict[str, str]:
    """Return what lets Git reach this address and nothing else; name and password go into no command line."""
    bare, header = _without_password(url)
    scheme = urlsplit(bare).scheme if "://" in bare else "ssh"
    settings = {
        "remote.policy.url": bare,
        f"protocol.{scheme}.allow": "always",
        "http.followRedirects": "false",
        "http.lowSpeedLimit": _SLOWEST_BYTES_PER_SECOND,
        "http.lowSpeedTime": _SLOW_SECONDS,
        "fetch.fsckObjects": "true",
        "credential.helper": "",
        "maintenance.auto": "false",
        **({f"http.{bare}.extraHeader": header} if header else {}),
    }
    keys = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(settings)}
    values = {f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(settings.values())}
    return {
        **keys,
        **values,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20",
        "GIT_ASKPASS": os.devnull,
    }


def _without_password(url: str) -> tuple[str, str]:
    """Split an address of the web into itself without a password, and the header that carries the password."""
    parts = urlsplit(url)
    user, _, rest = parts.netloc.rpartition("@")
    if parts.scheme not in {"http", "https"} or not user:
        return url, ""
    name, _, password = user.partition(":")
    known = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=rest)), f"Authorization: Basic {known}"


def _said(answer: Answer | None) -> str:
    """Return what Git said in one line, or that it said nothing."""
    if answer is None:
        return "git is not installed, or takes too long."
    return " ".join(answer.error.split())[:_NOTES_MAX] or "git does not say why."

"""What `keymgr doctor` looks at outside the database: who may read secrets, where data lies, who is trusted."""

import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from keymgr.cli.database import database_file
from keymgr.config import Settings, files_with_secrets
from keymgr.reconcile.finding import Finding, Level

_MOUNTS = Path("/proc/self/mounts")
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs", "lustre")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_permissions(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Warn of each file with secrets or data that other accounts may read or change."""
    files = [*files_with_secrets(environ), settings.counters]
    database = database_file(settings)
    if database is not None:
        files += [database, database.with_name(f"{database.name}-wal")]
    there = [file for file in files if file.exists()]
    open_ones = [file for file in there if file.stat().st_mode & _OTHERS]
    for file in open_ones:
        yield Finding(Level.WARN, "permissions", f"Other accounts can get at {file}. Run: chmod 600 {file}")
    if not open_ones:
        yield Finding(Level.OK, "permissions", f"{len(there)} files with secrets or data are for this account alone.")


def look_at_disk(settings: Settings) -> Iterator[Finding]:
    """Refuse SQLite on a network file system, where its locks do not hold."""
    database = database_file(settings)
    if database is None or not _MOUNTS.exists():
        return
    kind = _file_system(database.absolute().parent)
    if kind.startswith(_REMOTE):
        mend = "Move the data to a local disk, or use PostgreSQL."
        yield Finding(Level.FAIL, "disk", f"{database} lies on {kind}, where SQLite's locks do not hold. {mend}")
    else:
        yield Finding(Level.OK, "disk", f"{database} lies on a local disk ({kind}).")


def look_at_pull(settings: Settings) -> Iterator[Finding]:
    """Check what pull mode needs on this machine, where it is on."""
    if settings.policy_pull_url is None:
        return
    named = {
        "KEYMGR_POLICY_PULL_SIGNERS": settings.policy_pull_signers,
        "KEYMGR_POLICY_PULL_GPG_HOME": settings.policy_pull_gpg_home,
    }
    missing = [f"{name} names {path}, which is not there." for name, path in named.items() if not path.exists()]
    if shutil.which("git") is None:
        missing.append("git is not installed, so policy cannot be fetched.")
    yield from (Finding(Level.FAIL, "pull", sentence) for sentence in missing)
    if not missing:
        often = f"every {settings.policy_pull_seconds} seconds"
        yield Finding(Level.OK, "pull", f"The clock fetches the branch {settings.policy_pull_ref} {often}.")


def look_at_proxies(settings: Settings) -> Iterator[Finding]:
    """Check that who is trusted to name the client's address fits where the server listens."""
    https = urlsplit(settings.public_url).scheme == "https"
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        mend = "Name only the networks of your reverse proxies in KEYMGR_TRUSTED_PROXIES."
        yield Finding(Level.FAIL, "proxies", f"Everybody is trusted to say where a request comes from. {mend}")
    elif https and not settings.trusted_proxies:
        mend = "If a reverse proxy stands in front, name its network in KEYMGR_TRUSTED_PROXIES."
        yield Finding(
            Level.WARN, "proxies", f"Nobody may forward a client's address, so all look like the proxy. {mend}"
        )
    elif settings.bind.startswith("unix:") and not https:
        yield Finding(Level.WARN, "proxies", "The server listens on a socket, but KEYMGR_PUBLIC_URL is not https.")
    else:
        trusted = ", ".join(map(str, settings.trusted_proxies)) or "nobody"
        yield Finding(Level.OK, "proxies", f"Trusted to forward a client's address: {trusted}.")


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that holds a folder: that of the longest mount point above it."""
    mounts = [line.split()[1:3] for line in _MOUNTS.read_text(encoding="utf-8").splitlines()]
    above = [(len(point), kind) for point, kind in mounts if folder.is_relative_to(point.replace("\\040", " "))]
    return max(above, default=(0, "unknown"))[1]

"""Where a line of policy is written, in words and as a link to exactly that commit on the forge."""

from dataclasses import dataclass
from urllib.parse import quote

from keymgr.policy.model import InForce, Source

SHORT_COMMIT = 7


@dataclass(frozen=True, slots=True)
class Place:
    """One place in the policy: `text` for people, `url` where a forge is known, else None."""

    text: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Forge:
    """Turns sources into places; `template` is the forge's address with {commit}, {path} and {line}."""

    template: str | None
    folder: str
    commit: str | None
    revision: int

    def place(self, source: Source) -> Place:
        """Say where this is written, at the commit in force."""
        path = f"{self.folder}/{source.file}" if self.folder else source.file
        at = self.commit[:SHORT_COMMIT] if self.commit else f"revision {self.revision}"
        return Place(f"{path}:{source.line} @ {at}", self._url(path, source.line))

    def place_of_text(self, text: str) -> Place:
        """Say the same of a source that was stored as `file:line:column`."""
        file, line, column = text.rsplit(":", 2)
        return self.place(Source(file, int(line), int(column)))

    def _url(self, path: str, line: int) -> str | None:
        if self.template is None or self.commit is None:
            return None
        return self.template.format(commit=quote(self.commit, safe=""), path=quote(path), line=line)


def forge_of(in_force: InForce, template: str | None, folder: str) -> Forge:
    """Make the forge's view of the policy in force."""
    return Forge(template, folder, in_force.commit, in_force.revision)

"""Where the very field is written that decides: the nearest mark above it when the field itself was left out."""

from keymgr.policy.model import Guardrail, Rule, Source


def place(written: Rule | Guardrail, field: str) -> Source:
    """Return the place of a dotted field such as `spec.limits.max_ttl`; a default is found at its rule."""
    while field:
        mark = written.marks.get(field)
        if mark is not None:
            return mark
        field = field.rpartition(".")[0]
    return written.source

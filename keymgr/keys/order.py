"""What is handed in when somebody asks for a key: one value, whichever door it came through."""

from dataclasses import dataclass

from keymgr.policy.model import Evidence, Wish

NAME_LENGTH_MAX = 100
JUSTIFICATION_LENGTH_MAX = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """A wish with what surrounds it. `name` is what the person calls the key.

    `seen_revision` is the policy revision the person was shown, None where nothing was shown (API, CLI). `nonce` is the
    form's one-time number and `person_id` who submitted it. Doors check the texts and say what to do; a text that does
    not fit into its column is a `ValueError` here.
    """

    name: str
    wish: Wish
    justification: str
    evidence: Evidence
    seen_revision: int | None
    nonce: str
    person_id: str

    def __post_init__(self) -> None:
        if not (0 < len(self.name) <= NAME_LENGTH_MAX and self.name.isprintable()):
            raise ValueError(f"A key's name has 1 to {NAME_LENGTH_MAX} printable characters.")
        if len(self.justification) > JUSTIFICATION_LENGTH_MAX or "\0" in self.justification:
            raise ValueError(f"A justification has at most {JUSTIFICATION_LENGTH_MAX} characters.")

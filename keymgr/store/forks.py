"""What must not cross a fork: open database handles and locks that another thread may hold."""

import os
import weakref
from typing import Protocol


class Forgetful(Protocol):
    """Something that can start afresh in a child process."""

    def forget(self) -> None:
        """Leave inherited handles alone, neither using nor closing them, and make locks anew."""


def forget_after_fork(thing: Forgetful) -> None:
    """Call `thing.forget()` in every child, before it runs anything else, for as long as `thing` lives."""
    reference = weakref.ref(thing)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            alive.forget()

    os.register_at_fork(after_in_child=forget)

"""The machine's door: JSON in, JSON out."""

from keymgr.api.desk import Desk, PolicyCounter, open_desk
from keymgr.api.routes import register
from keymgr.api.shortcut import Quick

__all__ = ["Desk", "PolicyCounter", "Quick", "open_desk", "register"]

"""The machine's door: JSON in, JSON out."""

from keymgr.api.desk import Desk, PolicyCounter, open_desk
from keymgr.api.routes import register

__all__ = ["Desk", "PolicyCounter", "open_desk", "register"]

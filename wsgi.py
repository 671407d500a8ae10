"""For those who start gunicorn themselves, as docs/operations.md says; `keymgr serve` is the shorter way."""

from keymgr.app import create_app

app = create_app()

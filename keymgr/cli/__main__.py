"""`python -m keymgr.cli`, for where the script `keymgr` is not on the path."""

from keymgr.cli import main

main()

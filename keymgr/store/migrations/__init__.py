"""How the tables came to be: one module per step, run by `keymgr.store.migrate`."""

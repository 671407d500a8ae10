"""The operator's door: keymgr …"""

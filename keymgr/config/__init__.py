"""What an operator decides outside of policy: settings, read from the environment once and passed on as a value."""

from keymgr.config.environment import ENV_FILE, BadSettings, files_with_secrets
from keymgr.config.settings import Settings, load, variables

__all__ = ["ENV_FILE", "BadSettings", "Settings", "files_with_secrets", "load", "variables"]

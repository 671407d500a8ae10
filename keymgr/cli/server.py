"""What we add to gunicorn's log, by name on its command line: its lines as JSON."""

from gunicorn.config import Config
from gunicorn.glogging import Logger

from keymgr.config.logs import JsonLines


class JsonLogger(Logger):  # type: ignore[misc] # gunicorn carries no types.
    """Gunicorn's own lines in the same JSON as ours."""

    def setup(self, cfg: Config) -> None:
        """Set gunicorn's handlers up as it does, with our formatter."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())

"""Serves /cdn as TLC's CDN would, to the other containers of a trial."""

from pathlib import Path

from embedded.servers import cdn as cdn_server

cdn_server.HOST = "0.0.0.0"
cdn_server.CdnServer(Path("/cdn"), 8080).serve_forever()

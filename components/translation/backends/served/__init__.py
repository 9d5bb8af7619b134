"""``served``: chat models behind an endpoint (extra ``served``)."""

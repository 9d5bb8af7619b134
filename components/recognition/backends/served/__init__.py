"""``served``: recognizers behind an endpoint (extra ``served``)."""

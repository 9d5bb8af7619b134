"""One file per experiment: ``run`` trains, decodes and keeps outputs; ``results`` and ``page`` read them."""

"""One file per experiment: ``run`` trains and decodes and keeps outputs, ``results`` and ``page`` read them."""

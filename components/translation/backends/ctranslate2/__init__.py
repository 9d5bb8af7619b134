"""``ctranslate2``: encoder-decoder models by CTranslate2 (extra ``fast``)."""

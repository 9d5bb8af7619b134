"""``onnx-asr``: models in ONNX (extra ``onnx-asr``), ``onnx:FOLDER``."""

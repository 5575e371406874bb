"""A policy on its way out: exported to ONNX, and compared with what was exported."""

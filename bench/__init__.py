"""Measures nnfast side by side with NumPy, PyTorch, JAX and ONNX Runtime: `python -m bench`."""

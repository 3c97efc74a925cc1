"""Runs ONNX operators in ONNX Runtime; imported in its worker only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 20, 9


def session(
    nodes: list[Any],
    inputs: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray] | None = None,
    outputs: tuple[str, ...] = ("y",),
) -> Callable[[], list[np.ndarray]]:
    """A call that runs the graph of these nodes on the inputs; weights are constants of it."""
    graph = helper.make_graph(
        nodes,
        "bench",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for name, x in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(w, name) for name, w in (weights or {}).items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    run = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    ).run
    feed = dict(inputs)
    return lambda: run(None, feed)


def node(op: str, *inputs: str, outputs: tuple[str, ...] = ("y",), **attributes: Any) -> Any:
    """One operator; its output is called y."""
    return helper.make_node(op, list(inputs), list(outputs), **attributes)

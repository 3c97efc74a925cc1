"""nnfast: train and run neural networks on an ordinary CPU, fast.

`import nnfast` loads NumPy and nothing else; `nnfast.nn`, `nnfast.optim`, `nnfast.data`,
`nnfast.autograd` and `nnfast.func` are imported when they are first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from nnfast import config as _config

_config.configure()  # before any op: chooses the instruction set

from nnfast.config import empty_cache as empty_cache  # noqa: E402
from nnfast.config import get_num_threads as get_num_threads  # noqa: E402
from nnfast.config import set_num_threads as set_num_threads  # noqa: E402
from nnfast.config import show_config as show_config  # noqa: E402
from nnfast.config import threads as threads  # noqa: E402
from nnfast.creation import arange as arange  # noqa: E402
from nnfast.creation import as_tensor as as_tensor  # noqa: E402
from nnfast.creation import asarray as asarray  # noqa: E402
from nnfast.creation import empty as empty  # noqa: E402
from nnfast.creation import empty_like as empty_like  # noqa: E402
from nnfast.creation import eye as eye  # noqa: E402
from nnfast.creation import from_dlpack as from_dlpack  # noqa: E402
from nnfast.creation import from_numpy as from_numpy  # noqa: E402
from nnfast.creation import full as full  # noqa: E402
from nnfast.creation import full_like as full_like  # noqa: E402
from nnfast.creation import linspace as linspace  # noqa: E402
from nnfast.creation import logspace as logspace  # noqa: E402
from nnfast.creation import ones as ones  # noqa: E402
from nnfast.creation import ones_like as ones_like  # noqa: E402
from nnfast.creation import tensor as tensor  # noqa: E402
from nnfast.creation import zeros as zeros  # noqa: E402
from nnfast.creation import zeros_like as zeros_like  # noqa: E402
from nnfast.errors import NNFastError as NNFastError  # noqa: E402
from nnfast.generator import Generator as Generator  # noqa: E402
from nnfast.generator import default_generator as default_generator  # noqa: E402
from nnfast.generator import manual_seed as manual_seed  # noqa: E402
from nnfast.graph.compiled import compile as compile  # noqa: E402
from nnfast.graph.mode import enable_grad as enable_grad  # noqa: E402
from nnfast.graph.mode import is_grad_enabled as is_grad_enabled  # noqa: E402
from nnfast.graph.mode import no_grad as no_grad  # noqa: E402
from nnfast.graph.mode import set_grad_enabled as set_grad_enabled  # noqa: E402
from nnfast.ops import abs as abs  # noqa: E402
from nnfast.ops import acos as acos  # noqa: E402
from nnfast.ops import acosh as acosh  # noqa: E402
from nnfast.ops import add as add  # noqa: E402
from nnfast.ops import addbmm as addbmm  # noqa: E402
from nnfast.ops import addcdiv as addcdiv  # noqa: E402
from nnfast.ops import addcmul as addcmul  # noqa: E402
from nnfast.ops import addmm as addmm  # noqa: E402
from nnfast.ops import addmv as addmv  # noqa: E402
from nnfast.ops import addr as addr  # noqa: E402
from nnfast.ops import all as all  # noqa: E402
from nnfast.ops import allclose as allclose  # noqa: E402
from nnfast.ops import amax as amax  # noqa: E402
from nnfast.ops import amin as amin  # noqa: E402
from nnfast.ops import aminmax as aminmax  # noqa: E402
from nnfast.ops import any as any  # noqa: E402
from nnfast.ops import argmax as argmax  # noqa: E402
from nnfast.ops import argmin as argmin  # noqa: E402
from nnfast.ops import argsort as argsort  # noqa: E402
from nnfast.ops import argwhere as argwhere  # noqa: E402
from nnfast.ops import asin as asin  # noqa: E402
from nnfast.ops import asinh as asinh  # noqa: E402
from nnfast.ops import atan as atan  # noqa: E402
from nnfast.ops import atan2 as atan2  # noqa: E402
from nnfast.ops import atanh as atanh  # noqa: E402
from nnfast.ops import atleast_1d as atleast_1d  # noqa: E402
from nnfast.ops import baddbmm as baddbmm  # noqa: E402
from nnfast.ops import bincount as bincount  # noqa: E402
from nnfast.ops import bmm as bmm  # noqa: E402
from nnfast.ops import broadcast_tensors as broadcast_tensors  # noqa: E402
from nnfast.ops import broadcast_to as broadcast_to  # noqa: E402
from nnfast.ops import bucketize as bucketize  # noqa: E402
from nnfast.ops import cast as cast  # noqa: E402
from nnfast.ops import cat as cat  # noqa: E402
from nnfast.ops import cdist as cdist  # noqa: E402
from nnfast.ops import ceil as ceil  # noqa: E402
from nnfast.ops import chunk as chunk  # noqa: E402
from nnfast.ops import clamp as clamp  # noqa: E402
from nnfast.ops import clip as clip  # noqa: E402
from nnfast.ops import clone as clone  # noqa: E402
from nnfast.ops import concat as concat  # noqa: E402
from nnfast.ops import concatenate as concatenate  # noqa: E402
from nnfast.ops import cos as cos  # noqa: E402
from nnfast.ops import cosh as cosh  # noqa: E402
from nnfast.ops import count_nonzero as count_nonzero  # noqa: E402
from nnfast.ops import cross as cross  # noqa: E402
from nnfast.ops import cummax as cummax  # noqa: E402
from nnfast.ops import cummin as cummin  # noqa: E402
from nnfast.ops import cumprod as cumprod  # noqa: E402
from nnfast.ops import cumsum as cumsum  # noqa: E402
from nnfast.ops import diag as diag  # noqa: E402
from nnfast.ops import diag_embed as diag_embed  # noqa: E402
from nnfast.ops import diagonal as diagonal  # noqa: E402
from nnfast.ops import diff as diff  # noqa: E402
from nnfast.ops import dist as dist  # noqa: E402
from nnfast.ops import div as div  # noqa: E402
from nnfast.ops import dot as dot  # noqa: E402
from nnfast.ops import einsum as einsum  # noqa: E402
from nnfast.ops import eq as eq  # noqa: E402
from nnfast.ops import equal as equal  # noqa: E402
from nnfast.ops import erf as erf  # noqa: E402
from nnfast.ops import exp as exp  # noqa: E402
from nnfast.ops import exp2 as exp2  # noqa: E402
from nnfast.ops import expand as expand  # noqa: E402
from nnfast.ops import expm1 as expm1  # noqa: E402
from nnfast.ops import flatten as flatten  # noqa: E402
from nnfast.ops import flip as flip  # noqa: E402
from nnfast.ops import fliplr as fliplr  # noqa: E402
from nnfast.ops import flipud as flipud  # noqa: E402
from nnfast.ops import floor as floor  # noqa: E402
from nnfast.ops import floor_divide as floor_divide  # noqa: E402
from nnfast.ops import fmod as fmod  # noqa: E402
from nnfast.ops import gather as gather  # noqa: E402
from nnfast.ops import ge as ge  # noqa: E402
from nnfast.ops import ger as ger  # noqa: E402
from nnfast.ops import gt as gt  # noqa: E402
from nnfast.ops import histc as histc  # noqa: E402
from nnfast.ops import hstack as hstack  # noqa: E402
from nnfast.ops import index_add as index_add  # noqa: E402
from nnfast.ops import index_copy as index_copy  # noqa: E402
from nnfast.ops import index_fill as index_fill  # noqa: E402
from nnfast.ops import index_put as index_put  # noqa: E402
from nnfast.ops import index_select as index_select  # noqa: E402
from nnfast.ops import inner as inner  # noqa: E402
from nnfast.ops import isclose as isclose  # noqa: E402
from nnfast.ops import isfinite as isfinite  # noqa: E402
from nnfast.ops import isinf as isinf  # noqa: E402
from nnfast.ops import isnan as isnan  # noqa: E402
from nnfast.ops import kron as kron  # noqa: E402
from nnfast.ops import kthvalue as kthvalue  # noqa: E402
from nnfast.ops import le as le  # noqa: E402
from nnfast.ops import lerp as lerp  # noqa: E402
from nnfast.ops import log as log  # noqa: E402
from nnfast.ops import log1p as log1p  # noqa: E402
from nnfast.ops import log2 as log2  # noqa: E402
from nnfast.ops import log10 as log10  # noqa: E402
from nnfast.ops import log_softmax as log_softmax  # noqa: E402
from nnfast.ops import logcumsumexp as logcumsumexp  # noqa: E402
from nnfast.ops import logical_and as logical_and  # noqa: E402
from nnfast.ops import logical_not as logical_not  # noqa: E402
from nnfast.ops import logical_or as logical_or  # noqa: E402
from nnfast.ops import logical_xor as logical_xor  # noqa: E402
from nnfast.ops import logsumexp as logsumexp  # noqa: E402
from nnfast.ops import lt as lt  # noqa: E402
from nnfast.ops import masked_fill as masked_fill  # noqa: E402
from nnfast.ops import masked_scatter as masked_scatter  # noqa: E402
from nnfast.ops import masked_select as masked_select  # noqa: E402
from nnfast.ops import matmul as matmul  # noqa: E402
from nnfast.ops import max as max  # noqa: E402
from nnfast.ops import maximum as maximum  # noqa: E402
from nnfast.ops import mean as mean  # noqa: E402
from nnfast.ops import median as median  # noqa: E402
from nnfast.ops import meshgrid as meshgrid  # noqa: E402
from nnfast.ops import min as min  # noqa: E402
from nnfast.ops import minimum as minimum  # noqa: E402
from nnfast.ops import mm as mm  # noqa: E402
from nnfast.ops import moveaxis as moveaxis  # noqa: E402
from nnfast.ops import movedim as movedim  # noqa: E402
from nnfast.ops import mul as mul  # noqa: E402
from nnfast.ops import mv as mv  # noqa: E402
from nnfast.ops import nanmean as nanmean  # noqa: E402
from nnfast.ops import nansum as nansum  # noqa: E402
from nnfast.ops import narrow as narrow  # noqa: E402
from nnfast.ops import ne as ne  # noqa: E402
from nnfast.ops import neg as neg  # noqa: E402
from nnfast.ops import nonzero as nonzero  # noqa: E402
from nnfast.ops import norm as norm  # noqa: E402
from nnfast.ops import outer as outer  # noqa: E402
from nnfast.ops import permute as permute  # noqa: E402
from nnfast.ops import pow as pow  # noqa: E402
from nnfast.ops import prod as prod  # noqa: E402
from nnfast.ops import quantile as quantile  # noqa: E402
from nnfast.ops import ravel as ravel  # noqa: E402
from nnfast.ops import reciprocal as reciprocal  # noqa: E402
from nnfast.ops import relu as relu  # noqa: E402
from nnfast.ops import remainder as remainder  # noqa: E402
from nnfast.ops import repeat_interleave as repeat_interleave  # noqa: E402
from nnfast.ops import reshape as reshape  # noqa: E402
from nnfast.ops import roll as roll  # noqa: E402
from nnfast.ops import rot90 as rot90  # noqa: E402
from nnfast.ops import round as round  # noqa: E402
from nnfast.ops import rsqrt as rsqrt  # noqa: E402
from nnfast.ops import scatter as scatter  # noqa: E402
from nnfast.ops import scatter_add as scatter_add  # noqa: E402
from nnfast.ops import searchsorted as searchsorted  # noqa: E402
from nnfast.ops import select as select  # noqa: E402
from nnfast.ops import sigmoid as sigmoid  # noqa: E402
from nnfast.ops import sign as sign  # noqa: E402
from nnfast.ops import sin as sin  # noqa: E402
from nnfast.ops import sinh as sinh  # noqa: E402
from nnfast.ops import softmax as softmax  # noqa: E402
from nnfast.ops import sort as sort  # noqa: E402
from nnfast.ops import split as split  # noqa: E402
from nnfast.ops import sqrt as sqrt  # noqa: E402
from nnfast.ops import square as square  # noqa: E402
from nnfast.ops import squeeze as squeeze  # noqa: E402
from nnfast.ops import stack as stack  # noqa: E402
from nnfast.ops import std as std  # noqa: E402
from nnfast.ops import std_mean as std_mean  # noqa: E402
from nnfast.ops import sub as sub  # noqa: E402
from nnfast.ops import sum as sum  # noqa: E402
from nnfast.ops import swapaxes as swapaxes  # noqa: E402
from nnfast.ops import swapdims as swapdims  # noqa: E402
from nnfast.ops import t as t  # noqa: E402
from nnfast.ops import take_along_dim as take_along_dim  # noqa: E402
from nnfast.ops import tan as tan  # noqa: E402
from nnfast.ops import tanh as tanh  # noqa: E402
from nnfast.ops import tensor_split as tensor_split  # noqa: E402
from nnfast.ops import tensordot as tensordot  # noqa: E402
from nnfast.ops import tile as tile  # noqa: E402
from nnfast.ops import topk as topk  # noqa: E402
from nnfast.ops import trace as trace  # noqa: E402
from nnfast.ops import transpose as transpose  # noqa: E402
from nnfast.ops import tril as tril  # noqa: E402
from nnfast.ops import tril_indices as tril_indices  # noqa: E402
from nnfast.ops import triu as triu  # noqa: E402
from nnfast.ops import triu_indices as triu_indices  # noqa: E402
from nnfast.ops import trunc as trunc  # noqa: E402
from nnfast.ops import unbind as unbind  # noqa: E402
from nnfast.ops import unflatten as unflatten  # noqa: E402
from nnfast.ops import unique as unique  # noqa: E402
from nnfast.ops import unsqueeze as unsqueeze  # noqa: E402
from nnfast.ops import var as var  # noqa: E402
from nnfast.ops import var_mean as var_mean  # noqa: E402
from nnfast.ops import vdot as vdot  # noqa: E402
from nnfast.ops import vstack as vstack  # noqa: E402
from nnfast.ops import where as where  # noqa: E402
from nnfast.random import bernoulli as bernoulli  # noqa: E402
from nnfast.random import multinomial as multinomial  # noqa: E402
from nnfast.random import normal as normal  # noqa: E402
from nnfast.random import rand as rand  # noqa: E402
from nnfast.random import rand_like as rand_like  # noqa: E402
from nnfast.random import randint as randint  # noqa: E402
from nnfast.random import randint_like as randint_like  # noqa: E402
from nnfast.random import randn as randn  # noqa: E402
from nnfast.random import randn_like as randn_like  # noqa: E402
from nnfast.random import randperm as randperm  # noqa: E402
from nnfast.tensor import Tensor as Tensor  # noqa: E402
from nnfast.tensor import bool_ as bool_  # noqa: E402
from nnfast.tensor import float32 as float32  # noqa: E402
from nnfast.tensor import float64 as float64  # noqa: E402
from nnfast.tensor import int8 as int8  # noqa: E402
from nnfast.tensor import int16 as int16  # noqa: E402
from nnfast.tensor import int32 as int32  # noqa: E402
from nnfast.tensor import int64 as int64  # noqa: E402
from nnfast.tensor import uint8 as uint8  # noqa: E402

bool, int, long = bool_, int32, int64  # PyTorch's other names of dtypes
float, double = float32, float64

if _TYPE_CHECKING:
    from nnfast import autograd as autograd
    from nnfast import data as data
    from nnfast import func as func
    from nnfast import linalg as linalg
    from nnfast import nn as nn
    from nnfast import optim as optim
    from nnfast.serialize import load as load
    from nnfast.serialize import save as save

__version__ = _config.version()

_LAZY = {"load": "nnfast.serialize", "save": "nnfast.serialize"}


def __getattr__(name: str) -> _Any:
    if name in ("autograd", "data", "func", "linalg", "nn", "optim"):
        return _import_module(f"nnfast.{name}")
    if name in _LAZY:
        return getattr(_import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnfast' has no attribute '{name}'")

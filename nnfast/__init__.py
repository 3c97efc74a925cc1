"""nnfast: train and run neural networks on an ordinary CPU, fast.

`import nnfast` loads NumPy and nothing else; `nnfast.nn`, `nnfast.optim`, `nnfast.data`,
`nnfast.autograd` and `nnfast.func` are imported when they are first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from numpy import dtype as dtype

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
from nnfast.creation import frombuffer as frombuffer  # noqa: E402
from nnfast.creation import full as full  # noqa: E402
from nnfast.creation import full_like as full_like  # noqa: E402
from nnfast.creation import linspace as linspace  # noqa: E402
from nnfast.creation import logspace as logspace  # noqa: E402
from nnfast.creation import ones as ones  # noqa: E402
from nnfast.creation import ones_like as ones_like  # noqa: E402
from nnfast.creation import scalar_tensor as scalar_tensor  # noqa: E402
from nnfast.creation import tensor as tensor  # noqa: E402
from nnfast.creation import zeros as zeros  # noqa: E402
from nnfast.creation import zeros_like as zeros_like  # noqa: E402
from nnfast.device import device as device  # noqa: E402
from nnfast.errors import NNFastError as NNFastError  # noqa: E402
from nnfast.generator import Generator as Generator  # noqa: E402
from nnfast.generator import default_generator as default_generator  # noqa: E402
from nnfast.generator import get_rng_state as get_rng_state  # noqa: E402
from nnfast.generator import initial_seed as initial_seed  # noqa: E402
from nnfast.generator import manual_seed as manual_seed  # noqa: E402
from nnfast.generator import seed as seed  # noqa: E402
from nnfast.generator import set_rng_state as set_rng_state  # noqa: E402
from nnfast.graph.compiled import compile as compile  # noqa: E402
from nnfast.graph.mode import enable_grad as enable_grad  # noqa: E402
from nnfast.graph.mode import inference_mode as inference_mode  # noqa: E402
from nnfast.graph.mode import is_grad_enabled as is_grad_enabled  # noqa: E402
from nnfast.graph.mode import no_grad as no_grad  # noqa: E402
from nnfast.graph.mode import set_grad_enabled as set_grad_enabled  # noqa: E402
from nnfast.ops import abs as abs  # noqa: E402
from nnfast.ops import absolute as absolute  # noqa: E402
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
from nnfast.ops import arccos as arccos  # noqa: E402
from nnfast.ops import arccosh as arccosh  # noqa: E402
from nnfast.ops import arcsin as arcsin  # noqa: E402
from nnfast.ops import arcsinh as arcsinh  # noqa: E402
from nnfast.ops import arctan as arctan  # noqa: E402
from nnfast.ops import arctan2 as arctan2  # noqa: E402
from nnfast.ops import arctanh as arctanh  # noqa: E402
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
from nnfast.ops import atleast_2d as atleast_2d  # noqa: E402
from nnfast.ops import atleast_3d as atleast_3d  # noqa: E402
from nnfast.ops import baddbmm as baddbmm  # noqa: E402
from nnfast.ops import bincount as bincount  # noqa: E402
from nnfast.ops import bitwise_and as bitwise_and  # noqa: E402
from nnfast.ops import bitwise_left_shift as bitwise_left_shift  # noqa: E402
from nnfast.ops import bitwise_not as bitwise_not  # noqa: E402
from nnfast.ops import bitwise_or as bitwise_or  # noqa: E402
from nnfast.ops import bitwise_right_shift as bitwise_right_shift  # noqa: E402
from nnfast.ops import bitwise_xor as bitwise_xor  # noqa: E402
from nnfast.ops import block_diag as block_diag  # noqa: E402
from nnfast.ops import bmm as bmm  # noqa: E402
from nnfast.ops import broadcast_tensors as broadcast_tensors  # noqa: E402
from nnfast.ops import broadcast_to as broadcast_to  # noqa: E402
from nnfast.ops import bucketize as bucketize  # noqa: E402
from nnfast.ops import cartesian_prod as cartesian_prod  # noqa: E402
from nnfast.ops import cast as cast  # noqa: E402
from nnfast.ops import cat as cat  # noqa: E402
from nnfast.ops import cdist as cdist  # noqa: E402
from nnfast.ops import ceil as ceil  # noqa: E402
from nnfast.ops import chain_matmul as chain_matmul  # noqa: E402
from nnfast.ops import chunk as chunk  # noqa: E402
from nnfast.ops import clamp as clamp  # noqa: E402
from nnfast.ops import clamp_max as clamp_max  # noqa: E402
from nnfast.ops import clamp_min as clamp_min  # noqa: E402
from nnfast.ops import clip as clip  # noqa: E402
from nnfast.ops import clone as clone  # noqa: E402
from nnfast.ops import column_stack as column_stack  # noqa: E402
from nnfast.ops import combinations as combinations  # noqa: E402
from nnfast.ops import concat as concat  # noqa: E402
from nnfast.ops import concatenate as concatenate  # noqa: E402
from nnfast.ops import copysign as copysign  # noqa: E402
from nnfast.ops import corrcoef as corrcoef  # noqa: E402
from nnfast.ops import cos as cos  # noqa: E402
from nnfast.ops import cosh as cosh  # noqa: E402
from nnfast.ops import count_nonzero as count_nonzero  # noqa: E402
from nnfast.ops import cov as cov  # noqa: E402
from nnfast.ops import cross as cross  # noqa: E402
from nnfast.ops import cummax as cummax  # noqa: E402
from nnfast.ops import cummin as cummin  # noqa: E402
from nnfast.ops import cumprod as cumprod  # noqa: E402
from nnfast.ops import cumsum as cumsum  # noqa: E402
from nnfast.ops import cumulative_trapezoid as cumulative_trapezoid  # noqa: E402
from nnfast.ops import deg2rad as deg2rad  # noqa: E402
from nnfast.ops import diag as diag  # noqa: E402
from nnfast.ops import diag_embed as diag_embed  # noqa: E402
from nnfast.ops import diagflat as diagflat  # noqa: E402
from nnfast.ops import diagonal as diagonal  # noqa: E402
from nnfast.ops import diagonal_scatter as diagonal_scatter  # noqa: E402
from nnfast.ops import diff as diff  # noqa: E402
from nnfast.ops import dist as dist  # noqa: E402
from nnfast.ops import div as div  # noqa: E402
from nnfast.ops import divide as divide  # noqa: E402
from nnfast.ops import dot as dot  # noqa: E402
from nnfast.ops import dsplit as dsplit  # noqa: E402
from nnfast.ops import dstack as dstack  # noqa: E402
from nnfast.ops import einsum as einsum  # noqa: E402
from nnfast.ops import eq as eq  # noqa: E402
from nnfast.ops import equal as equal  # noqa: E402
from nnfast.ops import erf as erf  # noqa: E402
from nnfast.ops import exp as exp  # noqa: E402
from nnfast.ops import exp2 as exp2  # noqa: E402
from nnfast.ops import expand as expand  # noqa: E402
from nnfast.ops import expm1 as expm1  # noqa: E402
from nnfast.ops import fix as fix  # noqa: E402
from nnfast.ops import flatten as flatten  # noqa: E402
from nnfast.ops import flip as flip  # noqa: E402
from nnfast.ops import fliplr as fliplr  # noqa: E402
from nnfast.ops import flipud as flipud  # noqa: E402
from nnfast.ops import float_power as float_power  # noqa: E402
from nnfast.ops import floor as floor  # noqa: E402
from nnfast.ops import floor_divide as floor_divide  # noqa: E402
from nnfast.ops import fmax as fmax  # noqa: E402
from nnfast.ops import fmin as fmin  # noqa: E402
from nnfast.ops import fmod as fmod  # noqa: E402
from nnfast.ops import frac as frac  # noqa: E402
from nnfast.ops import gather as gather  # noqa: E402
from nnfast.ops import gcd as gcd  # noqa: E402
from nnfast.ops import ge as ge  # noqa: E402
from nnfast.ops import ger as ger  # noqa: E402
from nnfast.ops import greater as greater  # noqa: E402
from nnfast.ops import greater_equal as greater_equal  # noqa: E402
from nnfast.ops import gt as gt  # noqa: E402
from nnfast.ops import heaviside as heaviside  # noqa: E402
from nnfast.ops import histc as histc  # noqa: E402
from nnfast.ops import hsplit as hsplit  # noqa: E402
from nnfast.ops import hstack as hstack  # noqa: E402
from nnfast.ops import hypot as hypot  # noqa: E402
from nnfast.ops import index_add as index_add  # noqa: E402
from nnfast.ops import index_copy as index_copy  # noqa: E402
from nnfast.ops import index_fill as index_fill  # noqa: E402
from nnfast.ops import index_put as index_put  # noqa: E402
from nnfast.ops import index_reduce as index_reduce  # noqa: E402
from nnfast.ops import index_select as index_select  # noqa: E402
from nnfast.ops import inner as inner  # noqa: E402
from nnfast.ops import isclose as isclose  # noqa: E402
from nnfast.ops import isfinite as isfinite  # noqa: E402
from nnfast.ops import isin as isin  # noqa: E402
from nnfast.ops import isinf as isinf  # noqa: E402
from nnfast.ops import isnan as isnan  # noqa: E402
from nnfast.ops import isneginf as isneginf  # noqa: E402
from nnfast.ops import isposinf as isposinf  # noqa: E402
from nnfast.ops import isreal as isreal  # noqa: E402
from nnfast.ops import kron as kron  # noqa: E402
from nnfast.ops import kthvalue as kthvalue  # noqa: E402
from nnfast.ops import lcm as lcm  # noqa: E402
from nnfast.ops import ldexp as ldexp  # noqa: E402
from nnfast.ops import le as le  # noqa: E402
from nnfast.ops import lerp as lerp  # noqa: E402
from nnfast.ops import less as less  # noqa: E402
from nnfast.ops import less_equal as less_equal  # noqa: E402
from nnfast.ops import log as log  # noqa: E402
from nnfast.ops import log1p as log1p  # noqa: E402
from nnfast.ops import log2 as log2  # noqa: E402
from nnfast.ops import log10 as log10  # noqa: E402
from nnfast.ops import log_softmax as log_softmax  # noqa: E402
from nnfast.ops import logaddexp as logaddexp  # noqa: E402
from nnfast.ops import logaddexp2 as logaddexp2  # noqa: E402
from nnfast.ops import logcumsumexp as logcumsumexp  # noqa: E402
from nnfast.ops import logical_and as logical_and  # noqa: E402
from nnfast.ops import logical_not as logical_not  # noqa: E402
from nnfast.ops import logical_or as logical_or  # noqa: E402
from nnfast.ops import logical_xor as logical_xor  # noqa: E402
from nnfast.ops import logit as logit  # noqa: E402
from nnfast.ops import logsumexp as logsumexp  # noqa: E402
from nnfast.ops import lt as lt  # noqa: E402
from nnfast.ops import masked_fill as masked_fill  # noqa: E402
from nnfast.ops import masked_scatter as masked_scatter  # noqa: E402
from nnfast.ops import masked_select as masked_select  # noqa: E402
from nnfast.ops import matmul as matmul  # noqa: E402
from nnfast.ops import matrix_power as matrix_power  # noqa: E402
from nnfast.ops import max as max  # noqa: E402
from nnfast.ops import maximum as maximum  # noqa: E402
from nnfast.ops import mean as mean  # noqa: E402
from nnfast.ops import median as median  # noqa: E402
from nnfast.ops import meshgrid as meshgrid  # noqa: E402
from nnfast.ops import min as min  # noqa: E402
from nnfast.ops import minimum as minimum  # noqa: E402
from nnfast.ops import mm as mm  # noqa: E402
from nnfast.ops import mode as mode  # noqa: E402
from nnfast.ops import moveaxis as moveaxis  # noqa: E402
from nnfast.ops import movedim as movedim  # noqa: E402
from nnfast.ops import msort as msort  # noqa: E402
from nnfast.ops import mul as mul  # noqa: E402
from nnfast.ops import multiply as multiply  # noqa: E402
from nnfast.ops import mv as mv  # noqa: E402
from nnfast.ops import nan_to_num as nan_to_num  # noqa: E402
from nnfast.ops import nanmean as nanmean  # noqa: E402
from nnfast.ops import nanmedian as nanmedian  # noqa: E402
from nnfast.ops import nanquantile as nanquantile  # noqa: E402
from nnfast.ops import nansum as nansum  # noqa: E402
from nnfast.ops import narrow as narrow  # noqa: E402
from nnfast.ops import ne as ne  # noqa: E402
from nnfast.ops import neg as neg  # noqa: E402
from nnfast.ops import negative as negative  # noqa: E402
from nnfast.ops import nonzero as nonzero  # noqa: E402
from nnfast.ops import norm as norm  # noqa: E402
from nnfast.ops import not_equal as not_equal  # noqa: E402
from nnfast.ops import outer as outer  # noqa: E402
from nnfast.ops import permute as permute  # noqa: E402
from nnfast.ops import positive as positive  # noqa: E402
from nnfast.ops import pow as pow  # noqa: E402
from nnfast.ops import prod as prod  # noqa: E402
from nnfast.ops import put as put  # noqa: E402
from nnfast.ops import quantile as quantile  # noqa: E402
from nnfast.ops import rad2deg as rad2deg  # noqa: E402
from nnfast.ops import ravel as ravel  # noqa: E402
from nnfast.ops import reciprocal as reciprocal  # noqa: E402
from nnfast.ops import relu as relu  # noqa: E402
from nnfast.ops import remainder as remainder  # noqa: E402
from nnfast.ops import renorm as renorm  # noqa: E402
from nnfast.ops import repeat_interleave as repeat_interleave  # noqa: E402
from nnfast.ops import reshape as reshape  # noqa: E402
from nnfast.ops import roll as roll  # noqa: E402
from nnfast.ops import rot90 as rot90  # noqa: E402
from nnfast.ops import round as round  # noqa: E402
from nnfast.ops import row_stack as row_stack  # noqa: E402
from nnfast.ops import rsqrt as rsqrt  # noqa: E402
from nnfast.ops import rsub as rsub  # noqa: E402
from nnfast.ops import scatter as scatter  # noqa: E402
from nnfast.ops import scatter_add as scatter_add  # noqa: E402
from nnfast.ops import scatter_reduce as scatter_reduce  # noqa: E402
from nnfast.ops import searchsorted as searchsorted  # noqa: E402
from nnfast.ops import select as select  # noqa: E402
from nnfast.ops import select_scatter as select_scatter  # noqa: E402
from nnfast.ops import sgn as sgn  # noqa: E402
from nnfast.ops import sigmoid as sigmoid  # noqa: E402
from nnfast.ops import sign as sign  # noqa: E402
from nnfast.ops import signbit as signbit  # noqa: E402
from nnfast.ops import sin as sin  # noqa: E402
from nnfast.ops import sinc as sinc  # noqa: E402
from nnfast.ops import sinh as sinh  # noqa: E402
from nnfast.ops import slice_scatter as slice_scatter  # noqa: E402
from nnfast.ops import softmax as softmax  # noqa: E402
from nnfast.ops import sort as sort  # noqa: E402
from nnfast.ops import split as split  # noqa: E402
from nnfast.ops import split_with_sizes as split_with_sizes  # noqa: E402
from nnfast.ops import sqrt as sqrt  # noqa: E402
from nnfast.ops import square as square  # noqa: E402
from nnfast.ops import squeeze as squeeze  # noqa: E402
from nnfast.ops import stack as stack  # noqa: E402
from nnfast.ops import std as std  # noqa: E402
from nnfast.ops import std_mean as std_mean  # noqa: E402
from nnfast.ops import sub as sub  # noqa: E402
from nnfast.ops import subtract as subtract  # noqa: E402
from nnfast.ops import sum as sum  # noqa: E402
from nnfast.ops import sum_to_size as sum_to_size  # noqa: E402
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
from nnfast.ops import trapezoid as trapezoid  # noqa: E402
from nnfast.ops import trapz as trapz  # noqa: E402
from nnfast.ops import tril as tril  # noqa: E402
from nnfast.ops import tril_indices as tril_indices  # noqa: E402
from nnfast.ops import triu as triu  # noqa: E402
from nnfast.ops import triu_indices as triu_indices  # noqa: E402
from nnfast.ops import true_divide as true_divide  # noqa: E402
from nnfast.ops import trunc as trunc  # noqa: E402
from nnfast.ops import unbind as unbind  # noqa: E402
from nnfast.ops import unflatten as unflatten  # noqa: E402
from nnfast.ops import unique as unique  # noqa: E402
from nnfast.ops import unique_consecutive as unique_consecutive  # noqa: E402
from nnfast.ops import unravel_index as unravel_index  # noqa: E402
from nnfast.ops import unsqueeze as unsqueeze  # noqa: E402
from nnfast.ops import vander as vander  # noqa: E402
from nnfast.ops import var as var  # noqa: E402
from nnfast.ops import var_mean as var_mean  # noqa: E402
from nnfast.ops import vdot as vdot  # noqa: E402
from nnfast.ops import vsplit as vsplit  # noqa: E402
from nnfast.ops import vstack as vstack  # noqa: E402
from nnfast.ops import where as where  # noqa: E402
from nnfast.ops import xlogy as xlogy  # noqa: E402
from nnfast.ops.pieces import take as take  # noqa: E402
from nnfast.queries import Size as Size  # noqa: E402
from nnfast.queries import (  # noqa: E402
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
)
from nnfast.queries import can_cast as can_cast  # noqa: E402
from nnfast.queries import contiguous_format as contiguous_format  # noqa: E402
from nnfast.queries import detach as detach  # noqa: E402
from nnfast.queries import e as e  # noqa: E402
from nnfast.queries import finfo as finfo  # noqa: E402
from nnfast.queries import get_default_device as get_default_device  # noqa: E402
from nnfast.queries import get_default_dtype as get_default_dtype  # noqa: E402
from nnfast.queries import get_float32_matmul_precision as get_float32_matmul_precision  # noqa: E402
from nnfast.queries import iinfo as iinfo  # noqa: E402
from nnfast.queries import inf as inf  # noqa: E402
from nnfast.queries import is_complex as is_complex  # noqa: E402
from nnfast.queries import is_floating_point as is_floating_point  # noqa: E402
from nnfast.queries import is_nonzero as is_nonzero  # noqa: E402
from nnfast.queries import is_same_size as is_same_size  # noqa: E402
from nnfast.queries import is_signed as is_signed  # noqa: E402
from nnfast.queries import is_tensor as is_tensor  # noqa: E402
from nnfast.queries import nan as nan  # noqa: E402
from nnfast.queries import newaxis as newaxis  # noqa: E402
from nnfast.queries import numel as numel  # noqa: E402
from nnfast.queries import pi as pi  # noqa: E402
from nnfast.queries import preserve_format as preserve_format  # noqa: E402
from nnfast.queries import promote_types as promote_types  # noqa: E402
from nnfast.queries import result_type as result_type  # noqa: E402
from nnfast.queries import set_default_device as set_default_device  # noqa: E402
from nnfast.queries import set_default_dtype as set_default_dtype  # noqa: E402
from nnfast.queries import set_float32_matmul_precision as set_float32_matmul_precision  # noqa: E402
from nnfast.queries import set_printoptions as set_printoptions  # noqa: E402
from nnfast.queries import strided as strided  # noqa: E402
from nnfast.queries import use_deterministic_algorithms as use_deterministic_algorithms  # noqa: E402
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

bool, short, int, long = bool_, int16, int32, int64  # PyTorch's other names of dtypes
float, double = float32, float64

if _TYPE_CHECKING:
    from nnfast import autograd as autograd
    from nnfast import backends as backends
    from nnfast import cuda as cuda
    from nnfast import data as data
    from nnfast import func as func
    from nnfast import linalg as linalg
    from nnfast import nn as nn
    from nnfast import optim as optim
    from nnfast.serialize import load as load
    from nnfast.serialize import save as save

__version__ = _config.version()

_LAZY = {"load": "nnfast.serialize", "save": "nnfast.serialize"}
# What PyTorch has in its own namespace too: https://pytorch.org/docs/stable/torch.html
_FUNCTIONAL = frozenset(
    [
        "adaptive_avg_pool1d",
        "adaptive_max_pool1d",
        "alpha_dropout",
        "avg_pool1d",
        "batch_norm",
        "bilinear",
        "binary_cross_entropy_with_logits",
        "celu",
        "channel_shuffle",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "cosine_embedding_loss",
        "cosine_similarity",
        "ctc_loss",
        "dropout",
        "embedding",
        "embedding_bag",
        "feature_alpha_dropout",
        "group_norm",
        "hardshrink",
        "hinge_embedding_loss",
        "instance_norm",
        "kl_div",
        "layer_norm",
        "margin_ranking_loss",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "pairwise_distance",
        "pdist",
        "pixel_shuffle",
        "pixel_unshuffle",
        "poisson_nll_loss",
        "prelu",
        "rms_norm",
        "rrelu",
        "selu",
        "threshold",
        "triplet_margin_loss",
        "relu_",
        "celu_",
        "selu_",
        "rrelu_",
        "threshold_",
    ]
)


def __getattr__(name: str) -> _Any:
    if name == "vmap":
        return _import_module("nnfast.func").vmap
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        return getattr(Tensor, name)  # abs_(x) is x.abs_()
    if name in _FUNCTIONAL:
        return getattr(_import_module("nnfast.nn.functional"), name)
    if name in ("autograd", "backends", "cuda", "data", "func", "linalg", "nn", "optim"):
        return _import_module(f"nnfast.{name}")
    if name in _LAZY:
        return getattr(_import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnfast' has no attribute '{name}'")

"""Initial values of parameters: of one tensor (`fill`), from data (`data`), of residual nets."""

from nnfast.nn.init.data import data_dependent_ as data_dependent_
from nnfast.nn.init.data import lsuv_ as lsuv_
from nnfast.nn.init.fill import _calculate_fan_in_and_fan_out as _calculate_fan_in_and_fan_out
from nnfast.nn.init.fill import calculate_gain as calculate_gain
from nnfast.nn.init.fill import constant_ as constant_
from nnfast.nn.init.fill import dirac_ as dirac_
from nnfast.nn.init.fill import eye_ as eye_
from nnfast.nn.init.fill import kaiming_normal_ as kaiming_normal_
from nnfast.nn.init.fill import kaiming_uniform_ as kaiming_uniform_
from nnfast.nn.init.fill import normal_ as normal_
from nnfast.nn.init.fill import ones_ as ones_
from nnfast.nn.init.fill import orthogonal_ as orthogonal_
from nnfast.nn.init.fill import random_walk_ as random_walk_
from nnfast.nn.init.fill import sparse_ as sparse_
from nnfast.nn.init.fill import trunc_normal_ as trunc_normal_
from nnfast.nn.init.fill import uniform_ as uniform_
from nnfast.nn.init.fill import xavier_normal_ as xavier_normal_
from nnfast.nn.init.fill import xavier_uniform_ as xavier_uniform_
from nnfast.nn.init.fill import zeros_ as zeros_
from nnfast.nn.init.residual import fixup_ as fixup_

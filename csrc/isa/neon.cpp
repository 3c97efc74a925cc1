// The kernels compiled for AArch64, where NEON is always there (flags: setup.py).
#define NNF_ISA neon
#define NNF_VECTOR_BYTES 16
#define NNF_VECTOR_REGISTERS 32
#define NNF_VECTOR_BACKEND "simd/vec_neon.h"
#include "kernels/all.h"

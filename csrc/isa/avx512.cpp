// The kernels compiled for AVX-512 (flags: setup.py).
#define NNF_ISA avx512
#define NNF_VECTOR_BYTES 64
#define NNF_VECTOR_REGISTERS 32
#define NNF_VECTOR_BACKEND "simd/vec_avx512.h"
#include "kernels/all.h"

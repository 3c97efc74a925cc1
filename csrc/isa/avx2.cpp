// The kernels compiled for AVX2 with FMA (flags: setup.py).
#define NNF_ISA avx2
#define NNF_VECTOR_BYTES 32
#define NNF_VECTOR_REGISTERS 16
#define NNF_VECTOR_BACKEND "simd/vec_avx2.h"
#include "kernels/all.h"

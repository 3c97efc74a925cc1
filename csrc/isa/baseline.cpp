// The kernels compiled for the x86-64 baseline (flags: setup.py).
#define NNF_ISA baseline
#define NNF_VECTOR_BYTES 16
#define NNF_VECTOR_REGISTERS 16
#define NNF_VECTOR_BACKEND "simd/vec_baseline.h"
#include "kernels/all.h"

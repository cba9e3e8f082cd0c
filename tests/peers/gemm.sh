#!/bin/sh
# The GEMM against OpenBLAS, a table for each of the wider instruction sets that this processor has.
#
#   GEMM=build/.../peers-gemm tests/peers/gemm.sh [ROUNDS [WORK...]]        (make peers-gemm)
#
# OpenBLAS is told which kernels to take: what it does not know it gives its oldest.
set -eu
: "${GEMM:?the program made from tests/peers/gemm.c}"
OMP_NUM_THREADS=${PEER_THREADS:-2}
export OMP_NUM_THREADS
has() { grep -qw "$1" /proc/cpuinfo; }

if has avx512f; then
	ET_ISA=avx512 OPENBLAS_CORETYPE=SkylakeX "$GEMM" "$@"
fi
if has avx2; then
	ET_ISA=avx2 OPENBLAS_CORETYPE=Haswell "$GEMM" "$@"
else
	"$GEMM" "$@"
fi

"""Kernels that count scalar multiplications from the shapes of the arrays they are given."""

from jacchain.algebra.kernels import NUMPY


class CountingKernels:
    """The NumPy kernels, counting."""

    def __init__(self):
        self.multiplications = 0

    def __getattr__(self, name):
        return getattr(NUMPY, name)

    def dot(self, a, b, out):
        self.multiplications += a.shape[0] * a.shape[1] * b.shape[1]
        NUMPY.dot(a, b, out)

    def matmul(self, a, b, out):
        self.multiplications += out.size * a.shape[-1]
        NUMPY.matmul(a, b, out)

    def multiply(self, a, b, out):
        self.multiplications += out.size
        NUMPY.multiply(a, b, out)

    def csr_dot(self, csr, x, out):
        self.multiplications += csr.nnz * x.shape[1]
        NUMPY.csr_dot(csr, x, out)

    def dot_csr(self, x, csr, out):
        self.multiplications += csr.nnz * x.shape[0]
        NUMPY.dot_csr(x, csr, out)

"""LLVM code of the CPU kernels, and its compilation for the processor at hand."""

// Package nccl has the GPUs of a world's processes exchange what they hold, by NVIDIA's NCCL,
// which is loaded at run time. Its calls are foreign calls of XLA's programs: they get the
// memory and the stream of the device, and stand in the order of what is computed. It must
// not know what is summed or why.
package nccl

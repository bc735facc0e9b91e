// Package world is the processes that one command runs on: how many there are, which
// one this is, and what passes between them, on MPI. Data are slices in the host's
// memory. A command that no launcher started has a world of one, a nil *World, whose
// every call returns at once.
//
// Sums are taken in the order of ranks, whatever the MPI library does, so that they
// are the same bit for bit from run to run. The package must not know what is summed
// or why.
package world

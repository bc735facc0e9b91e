package xla

// #cgo LDFLAGS: -rdynamic
import "C" // pool_linux.c

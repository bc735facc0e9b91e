package batch

import "math/bits"

// RoundUp is the least multiple of step that is at least n.
func RoundUp(n, step int) int { return (n + step - 1) / step * step }

// PowerOfTwo is the least power of two that is at least n.
func PowerOfTwo(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

// powerWithin is the largest power of two that is at most n, and at least 1.
func powerWithin(n int) int { return PowerOfTwo(n/2 + 1) }

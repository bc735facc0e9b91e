package world

import "unsafe"

// BlockValues is how many values a sum over processes is taken of at a time. Each block is
// cut into as many parts as there are processes, of which rank r sums part r.
const BlockValues = 4 << 20

// Part gives the part of a block of n values that is a rank's: parts begin at multiples of
// 16 values, as kernels like it.
func (w *World) Part(n, rank int) (lo, hi int) {
	size := w.Size()
	each := (n + size - 1) / size
	each = (each + 15) / 16 * 16
	return min(rank*each, n), min((rank+1)*each, n)
}

// ReduceScatter sums up a block over all processes: what stands in this process's part of
// x is the sum then, the rest is as it was. x has at most BlockValues values.
//
// The values of all processes are added in the order of ranks. MPI's own reductions are
// only advised to do the same from call to call.
func (w *World) ReduceScatter(x []float32) error {
	if w == nil {
		return nil
	}
	n := w.Size()
	out, in := make([][]byte, n), make([][]byte, n)
	lo, hi := w.Part(len(x), w.rank)
	own := x[lo:hi]
	if len(w.room) < (n-1)*len(own) {
		w.room = make([]float32, (n-1)*len(own))
	}
	room := w.room
	values := make([][]float32, n)
	for rank := range n {
		lo, hi := w.Part(len(x), rank)
		out[rank], values[rank] = bytesOf(x[lo:hi]), own
		if rank == w.rank {
			continue
		}
		values[rank], room = room[:len(own)], room[len(own):]
		in[rank] = bytesOf(values[rank])
		w.sent += int64(len(out[rank]))
	}
	if err := w.net.exchange(out, in); err != nil {
		return err
	}
	// What those before this process have comes together in the room of the first.
	for _, v := range values[1:max(1, w.rank)] {
		add(values[0], v)
	}
	if w.rank > 0 {
		add(own, values[0])
	}
	for _, v := range values[w.rank+1:] {
		add(own, v)
	}
	return nil
}

// AllGather fills x everywhere with the parts that the processes have: part r of rank r.
func AllGather[T float32 | ~uint16](w *World, x []T) error {
	if w == nil {
		return nil
	}
	parts := make([][]byte, w.Size())
	for rank := range parts {
		lo, hi := w.Part(len(x), rank)
		parts[rank] = bytesOf(x[lo:hi])
	}
	w.sent += int64(len(parts[w.rank])) * int64(w.Size()-1)
	return w.net.spread(parts, false)
}

// AllReduce sums up x, of any length, over all processes, as ReduceScatter does.
func (w *World) AllReduce(x []float32) error {
	if w == nil {
		return nil
	}
	for len(x) > 0 {
		block := x[:min(BlockValues, len(x))]
		if err := w.ReduceScatter(block); err != nil {
			return err
		}
		if err := AllGather(w, block); err != nil {
			return err
		}
		x = x[len(block):]
	}
	return nil
}

// add adds x to sum, eight values at a time: one by one, the loop would take most of the
// time.
func add(sum, x []float32) {
	x = x[:len(sum)]
	for len(sum) >= 8 {
		a, b := (*[8]float32)(sum), (*[8]float32)(x)
		a[0] += b[0]
		a[1] += b[1]
		a[2] += b[2]
		a[3] += b[3]
		a[4] += b[4]
		a[5] += b[5]
		a[6] += b[6]
		a[7] += b[7]
		sum, x = sum[8:], x[8:]
	}
	for i, v := range x {
		sum[i] += v
	}
}

// bytesOf is the memory of values.
func bytesOf[T float32 | ~uint16](x []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(zero)))
}

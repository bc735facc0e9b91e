package world

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"
)

// World is the processes of a command. nil is a world of one.
//
// Calls that exchange something are collective: every process makes the same ones in
// the same order, from one goroutine at a time, with data of the same length where
// nothing else is said. None takes a context: a process that left one alone would have
// the others wait for ever. Where a process dies, hangs or ends with an error, the
// calls of all others return a *Failure.
type World struct {
	rank    int
	members []Member
	net     transport
	room    []float32 // of ReduceScatter, kept
	sent    int64     // bytes of data
	console io.Writer

	once    sync.Once
	failed  chan struct{} // closed once failure is set
	failure *Failure
}

// Member is a process of a world.
type Member struct {
	Rank int
	Host string
	PID  int
	// Node is the first rank of its host, and Local its own among those there. MPI says so,
	// as the launcher placed them: hosts and containers may bear one name.
	Node, Local int
}

func (m Member) String() string {
	return fmt.Sprintf("rank %d (process %d on %s)", m.Rank, m.PID, m.Host)
}

// transport moves bytes between processes. Memory handed to it is pinned until the call is
// over, and stays untouched after a failure.
type transport interface {
	// exchange sends out[i] to rank i and fills in[i] with what rank i sent here; what is of
	// this process itself stays where it is. The parts of out are of one slice, and so are
	// those of in.
	exchange(out, in [][]byte) error
	// spread fills parts[i] everywhere with what it is at rank i; the parts are of one slice.
	// A patient call waits for processes that are alive as long as it takes.
	spread(parts [][]byte, patient bool) error
	broadcast(data []byte, root int) error // patient
	// tell tells the processes that this one watches of a failure.
	tell(*Failure)
	// close waits until all are at their end, and says whether they are, with no call left.
	close() (clean bool)
	bound(time.Duration)
	finalize()
	abort(code int) // ends all processes
	last(*Failure)  // says why, too
}

// Options are those of Open.
type Options struct {
	Console io.Writer // for the last word of a process that has to end all others

	patience patience
}

// patience is how long a process waits for others that do not answer.
type patience struct {
	// beat is how often processes say that they are alive: all to rank 0, and rank 0 to
	// all. One that has said nothing for silence is taken for dead.
	beat, silence time.Duration
	// grace is what the command of a process has to end by itself once the world has
	// failed, and what rank 0 waits for the others at the end. Then all are ended, a quarter
	// of grace after the last word: within silence, three times grace and a bit where rank 0
	// is silent itself.
	grace time.Duration
}

// Failure says which process ended a world, and why.
type Failure struct {
	Member Member
	Reason string
	Code   int // exit code
}

func (f *Failure) Error() string { return fmt.Sprintf("%v: %s", f.Member, f.Reason) }

// Rank is this process's number, from 0, and Size how many there are.
func (w *World) Rank() int {
	if w == nil {
		return 0
	}
	return w.rank
}

func (w *World) Size() int {
	if w == nil {
		return 1
	}
	return len(w.members)
}

// Local is this process's rank among those of its host, and LocalSize how many these
// are.
func (w *World) Local() int {
	if w == nil {
		return 0
	}
	return w.members[w.rank].Local
}

func (w *World) LocalSize() int {
	if w == nil {
		return 1
	}
	n := 0
	for _, m := range w.members {
		if m.Node == w.members[w.rank].Node {
			n++
		}
	}
	return n
}

// Sent is how many bytes of data this process has sent to others in sums and in gathering
// parts, where each part goes to every other process once.
func (w *World) Sent() int64 {
	if w == nil {
		return 0
	}
	return w.sent
}

// Member is a process by its rank.
func (w *World) Member(rank int) Member {
	if w == nil {
		host, _ := os.Hostname()
		return Member{Host: host, PID: os.Getpid()}
	}
	return w.members[rank]
}

// Failed gives a context that ends when the world fails, with the *Failure as its cause.
func (w *World) Failed(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if w != nil {
		go func() {
			select {
			case <-w.failed:
				cancel(w.failure)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// fail ends all calls, once.
func (w *World) fail(f *Failure) {
	w.once.Do(func() {
		w.failure = f
		close(w.failed)
	})
}

// Bound sets how long a collective call may wait for processes that are alive; 0, as in the
// beginning, is for ever. Calls that wait for what rank 0 decides are not bound.
func (w *World) Bound(wait time.Duration) {
	if w != nil {
		w.net.bound(wait)
	}
}

// Barrier waits for all processes.
func (w *World) Barrier() error {
	_, err := w.Any(false)
	return err
}

// Any says whether something holds in any process.
func (w *World) Any(here bool) (bool, error) {
	if w == nil {
		return here, nil
	}
	sum := 0.0
	if here {
		sum = 1
	}
	each, err := w.Numbers(sum)
	for _, x := range each {
		here = here || x != 0
	}
	return here, err
}

// Numbers gives the number that each process has, in the order of ranks.
func (w *World) Numbers(here float64) ([]float64, error) { return w.numbers(here, false) }

func (w *World) numbers(here float64, patient bool) ([]float64, error) {
	if w == nil {
		return []float64{here}, nil
	}
	data := make([]byte, 8*w.Size())
	parts := w.equalParts(data)
	binary.LittleEndian.PutUint64(parts[w.rank], math.Float64bits(here))
	if err := w.net.spread(parts, patient); err != nil {
		return nil, err
	}
	out := make([]float64, len(parts))
	for i, p := range parts {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(p))
	}
	return out, nil
}

// Sum adds up a number over the processes, in the order of ranks.
func (w *World) Sum(here float64) (sum float64, err error) {
	each, err := w.Numbers(here)
	for _, x := range each {
		sum += x
	}
	return sum, err
}

// Gather gives every process what each has, of any length, in the order of ranks.
func (w *World) Gather(here []byte) ([][]byte, error) {
	if w == nil {
		return [][]byte{here}, nil
	}
	lengths, err := w.Numbers(float64(len(here)))
	if err != nil {
		return nil, err
	}
	out := make([][]byte, w.Size())
	longest := 0
	for rank, n := range lengths {
		out[rank] = make([]byte, int(n))
		longest = max(longest, int(n))
	}
	copy(out[w.rank], here)
	for lo := 0; lo < longest; lo += mostBytes / w.Size() {
		parts := make([][]byte, w.Size())
		total := 0
		for rank, data := range out {
			parts[rank] = data[min(lo, len(data)):min(lo+mostBytes/w.Size(), len(data))]
			total += len(parts[rank])
		}
		// The transport wants them side by side.
		staged := make([][]byte, w.Size())
		all := make([]byte, total)
		for rank, p := range parts {
			staged[rank], all = all[:len(p):len(p)], all[len(p):]
		}
		copy(staged[w.rank], parts[w.rank])
		if err := w.net.spread(staged, false); err != nil {
			return nil, err
		}
		for rank, p := range staged {
			copy(parts[rank], p)
		}
	}
	return out, nil
}

// Broadcast gives every process the bytes of one, whose length the others need not know.
func (w *World) Broadcast(data []byte, root int) ([]byte, error) {
	if w == nil {
		return data, nil
	}
	lengths, err := w.numbers(float64(len(data)), true)
	if err != nil {
		return nil, err
	}
	if w.rank != root {
		data = make([]byte, int(lengths[root]))
	}
	for lo := 0; lo < len(data); lo += mostBytes {
		if err := w.net.broadcast(data[lo:min(lo+mostBytes, len(data))], root); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// Decide gives every process what rank 0 found, and its error there alone: the others are
// told of it by their next call. look is called by rank 0.
func Decide[T any](w *World, look func() (T, error)) (found T, err error) {
	if w == nil {
		return look()
	}
	var data []byte
	if w.rank == 0 {
		if found, err = look(); err != nil {
			return found, err
		}
		if data, err = json.Marshal(found); err != nil {
			return found, err
		}
	}
	if data, err = w.Broadcast(data, 0); err != nil {
		return found, err
	}
	if w.rank != 0 {
		err = json.Unmarshal(data, &found)
	}
	return found, err
}

// equalParts cuts data into as many parts as there are processes.
func (w *World) equalParts(data []byte) [][]byte {
	parts := make([][]byte, w.Size())
	n := len(data) / w.Size()
	for i := range parts {
		parts[i] = data[i*n : (i+1)*n : (i+1)*n]
	}
	return parts
}

// mostBytes bounds what one call of the transport moves.
const mostBytes = 64 << 20

// Close ends the world with all others. A process that ends with an exit code other than 0
// has the others end, too; the reason is what it would have said on its console, which
// rank 0 says instead. It gives the exit code.
func (w *World) Close(code int, reason string) int {
	if w == nil {
		return code
	}
	var failure *Failure
	select {
	case <-w.failed:
		failure = w.failure
	default:
		if code != 0 {
			failure = &Failure{Member: w.Member(w.rank), Reason: reason, Code: code}
			w.net.tell(failure)
			w.fail(failure)
		}
	}
	if failure != nil && w.rank == 0 {
		w.net.tell(failure)
	}
	clean := w.net.close()
	if failure == nil {
		select {
		case <-w.failed:
			failure, code = w.failure, w.failure.Code
			if w.rank == 0 {
				fmt.Fprintf(w.console, "gorqa: %v\n", failure)
			}
		default:
		}
	}
	switch {
	case clean:
		w.net.finalize()
	case failure != nil && w.rank == 0:
		w.net.abort(failure.Code) // rank 0 has said why
	case failure != nil:
		w.net.last(failure)
	}
	return code
}

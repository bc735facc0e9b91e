//go:build mpi && cgo

package world

// The flags are in flags.go, which .ci/mpi-flags writes and the go command takes by -overlay.

// #include <mpi.h>
// #include <signal.h>
// #include <stdlib.h>
// #include <time.h>
//
// static MPI_Comm gw_data, gw_control;
//
// // Go's runtime needs its own handlers of these signals, on its own stacks. MPI
// // libraries set theirs to print where a program died.
// static const int gw_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL, SIGTRAP};
// enum { gw_nsignals = sizeof gw_signals / sizeof *gw_signals };
//
// static int gw_init(int *level) {
//   struct sigaction kept[gw_nsignals];
//   for (int i = 0; i < gw_nsignals; i++) sigaction(gw_signals[i], NULL, &kept[i]);
//   int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, level);
//   for (int i = 0; i < gw_nsignals; i++) sigaction(gw_signals[i], &kept[i], NULL);
//   if (code) return code;
//   MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
//   if ((code = MPI_Comm_dup(MPI_COMM_WORLD, &gw_data))) return code;
//   if ((code = MPI_Comm_dup(MPI_COMM_WORLD, &gw_control))) return code;
//   MPI_Comm_set_errhandler(gw_data, MPI_ERRORS_RETURN);
//   MPI_Comm_set_errhandler(gw_control, MPI_ERRORS_RETURN);
//   return 0;
// }
// static int gw_funneled(void) { return MPI_THREAD_FUNNELED; }
// static int gw_place(int *rank, int *size) {
//   int code = MPI_Comm_rank(gw_data, rank);
//   return code ? code : MPI_Comm_size(gw_data, size);
// }
// // gw_node gives the first rank that shares this process's memory, as the launcher placed
// // them, and this one's place among those.
// static int gw_node(int rank, int *first, int *local) {
//   MPI_Comm node;
//   int code = MPI_Comm_split_type(gw_data, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
//   if (code) return code;
//   *first = rank;
//   if (!(code = MPI_Comm_rank(node, local))) code = MPI_Bcast(first, 1, MPI_INT, 0, node);
//   MPI_Comm_free(&node);
//   return code;
// }
// static int gw_exchange(void *out, int *outn, int *outat, void *in, int *inn, int *inat, MPI_Request *r) {
//   return MPI_Ialltoallv(out, outn, outat, MPI_BYTE, in, inn, inat, MPI_BYTE, gw_data, r);
// }
// static int gw_spread(void *all, int *n, int *at, MPI_Request *r) {
//   return MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, n, at, MPI_BYTE, gw_data, r);
// }
// static int gw_broadcast(void *data, int n, int root, MPI_Request *r) {
//   return MPI_Ibcast(data, n, MPI_BYTE, root, gw_data, r);
// }
// static int gw_send(void *data, int n, int to, MPI_Request *r) {
//   return MPI_Isend(data, n, MPI_BYTE, to, 0, gw_control, r);
// }
// static int gw_probe(int *there, int *from, int *n) {
//   MPI_Status s;
//   int code = MPI_Iprobe(MPI_ANY_SOURCE, 0, gw_control, there, &s);
//   if (code || !*there) return code;
//   *from = s.MPI_SOURCE;
//   return MPI_Get_count(&s, MPI_BYTE, n);
// }
// static int gw_receive(void *data, int n, int from) {
//   return MPI_Recv(data, n, MPI_BYTE, from, 0, gw_control, MPI_STATUS_IGNORE);
// }
// // gw_wait looks whether a call is over: so many times at once, then, if it waits, for a
// // millisecond with pauses. MPI's own waiting would keep a core busy that computes. On a
// // busy machine a pause may take many times as long as it should, so it is the time that
// // is counted.
// static int gw_wait(MPI_Request *r, int *over, int times, int waits) {
//   struct timespec pause = {0, 50000}, from, now;
//   if (waits) clock_gettime(CLOCK_MONOTONIC, &from);
//   for (int i = 0;; i++) {
//     int code = MPI_Test(r, over, MPI_STATUS_IGNORE);
//     if (code || *over) return code;
//     if (i < times - 1) continue;
//     if (waits) clock_gettime(CLOCK_MONOTONIC, &now);
//     if (!waits || (now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec > 1000000) return 0;
//     nanosleep(&pause, NULL);
//   }
// }
// static int gw_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }
// static void gw_error(int code, char *text) { int n; MPI_Error_string(code, text, &n); }
// enum { gw_texts = MPI_MAX_ERROR_STRING };
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
	"unsafe"
)

// Built says whether this program can run on several processes.
const Built = true

// mpi is the transport over an MPI library. One goroutine on one OS thread makes all of
// its calls (MPI_THREAD_FUNNELED, which every library has: what it would cost to have
// Go's threads come in turn, or all at once, differs between libraries, and buys nothing
// where calls are made in one order). None of its calls waits, so that it always hears
// of other processes' ends; see watch.go.
type mpi struct {
	*watch
	calls chan *call
	under []*call // way
	sends []*send
}

// call is a collective call.
type call struct {
	start   func(*C.MPI_Request) C.int
	patient bool
	request *C.MPI_Request // in memory of its own, since C may see no pointers of Go's beside it
	pins    runtime.Pinner // held for ever where the call fails: MPI may still write there
	began   time.Time
	over    chan error
}

// send is a message on its way.
type send struct {
	data    []byte
	request *C.MPI_Request
	pins    runtime.Pinner
}

// Open joins the world of the launcher that started this process, nil where none did.
func Open(o Options) (*World, error) {
	l, err := launched(os.Getenv)
	if err != nil || l.alone() {
		return nil, err
	}
	if o.patience == (patience{}) {
		o.patience = defaultPatience()
	}
	w := &World{console: o.Console, failed: make(chan struct{})}
	m := &mpi{watch: newWatch(w, o), calls: make(chan *call)}
	m.stop = func(code int) {
		time.Sleep(o.patience.grace / 4) // launchers drop what they have not read yet when one aborts
		C.gw_abort(C.int(code))
	}
	w.net = m
	size := make(chan int)
	ready := make(chan error)
	go m.run(size, ready)
	n, ok := <-size
	if !ok {
		return nil, <-ready
	}
	if l.size > 0 && n != l.size {
		return nil, fmt.Errorf("%s is %d, but MPI knows of %d process; this gorqa was built for another MPI than its launcher's (srun: --mpi=pmix or --mpi=pmi2; mpirun: that of the MPI it was built with, MPICC=… make build-mpi)", l.by, l.size, n)
	}
	if n == 1 {
		m.finalize()
		return nil, nil
	}
	if err := w.meet(); err != nil {
		return nil, err
	}
	close(ready) // the watch begins
	return w, nil
}

// meet exchanges who the processes are.
func (w *World) meet() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	here := w.members[w.rank]
	here.Host, here.PID = host, os.Getpid()
	data, err := json.Marshal(here)
	if err != nil {
		return err
	}
	each, err := w.Gather(data)
	if err != nil {
		return err
	}
	for rank, data := range each {
		if err := json.Unmarshal(data, &w.members[rank]); err != nil {
			return err
		}
	}
	return nil
}

// run makes all calls of MPI, for ever.
func (m *mpi) run(size chan<- int, ready chan error) {
	runtime.LockOSThread()
	var level, rank, n, first, local C.int
	err := said("MPI_Init_thread", C.gw_init(&level))
	if err == nil && level < C.gw_funneled() {
		err = errors.New("this MPI library was built without threads (MPI_THREAD_FUNNELED); another build of it expected")
	}
	if err == nil {
		err = said("MPI_Comm_rank", C.gw_place(&rank, &n))
	}
	if err == nil {
		err = said("MPI_Comm_split_type", C.gw_node(rank, &first, &local))
	}
	if err != nil {
		close(size)
		ready <- err
		return
	}
	m.w.rank, m.w.members = int(rank), make([]Member, n)
	m.w.members[rank] = Member{Rank: int(rank), Node: int(first), Local: int(local)}
	m.begin()
	size <- int(n)
	for {
		m.take()
		m.progress()
		if err := m.control(); err != nil {
			m.w.fail(&Failure{Member: m.w.Member(m.w.rank), Reason: err.Error(), Code: 1})
		}
	}
}

// take takes what other goroutines ask for, before all else; it waits a little where nothing
// is under way.
func (m *mpi) take() {
	var idle <-chan time.Time
	if len(m.under) == 0 {
		timer := time.NewTimer(20 * time.Millisecond)
		defer timer.Stop()
		idle = timer.C
	}
	for {
		select {
		case c := <-m.calls:
			m.make(c)
			return
		case do := <-m.asked:
			do()
			continue
		default:
		}
		if idle == nil {
			return
		}
		select {
		case c := <-m.calls:
			m.make(c)
			return
		case do := <-m.asked:
			do()
		case <-idle:
			return
		}
	}
}

// make begins a call.
func (m *mpi) make(c *call) {
	m.begun++
	c.began = time.Now()
	if err := said("MPI", c.start(c.request)); err != nil {
		c.over <- err
		return
	}
	m.under = append(m.under, c)
}

// progress looks after the calls under way.
func (m *mpi) progress() {
	m.under = slices.DeleteFunc(m.under, func(c *call) bool {
		var over C.int
		times := 200
		if time.Since(c.began) > time.Millisecond {
			times = 1
		}
		if err := said("MPI_Test", C.gw_wait(c.request, &over, C.int(times), 1)); err != nil {
			m.w.fail(&Failure{Member: m.w.Member(m.w.rank), Reason: err.Error(), Code: 1})
		}
		if over != 0 {
			c.pins.Unpin()
			c.over <- nil
			return true
		}
		if late := time.Since(c.began); !c.patient && late > m.timeout() {
			m.late(late)
		}
		return false
	})
	m.left.Store(int64(len(m.under)))
	m.sends = slices.DeleteFunc(m.sends, func(s *send) bool {
		var over C.int
		C.gw_wait(s.request, &over, 1, 0)
		if over != 0 {
			s.pins.Unpin()
		}
		return over != 0
	})
}

// control sends and receives messages.
func (m *mpi) control() error {
	for _, out := range m.due(len(m.sends)) {
		s := &send{data: out.encode(), request: new(C.MPI_Request)}
		s.pins.Pin(&s.data[0])
		if err := said("MPI_Isend", C.gw_send(unsafe.Pointer(&s.data[0]), C.int(len(s.data)), C.int(out.to), s.request)); err != nil {
			return err
		}
		m.sends = append(m.sends, s)
	}
	for {
		var there, from, n C.int
		if err := said("MPI_Iprobe", C.gw_probe(&there, &from, &n)); err != nil || there == 0 {
			return err
		}
		data := make([]byte, max(1, int(n)))
		if err := said("MPI_Recv", C.gw_receive(unsafe.Pointer(&data[0]), n, from)); err != nil {
			return err
		}
		msg, err := decode(data[:n])
		if err != nil {
			return err
		}
		m.heard(int(from), msg)
	}
}

// do makes a collective call.
func (m *mpi) do(patient bool, pinned [][]byte, start func(*C.MPI_Request) C.int) error {
	c := &call{start: start, patient: patient, request: new(C.MPI_Request), over: make(chan error, 1)}
	for _, p := range pinned {
		if len(p) > 0 {
			c.pins.Pin(&p[0])
		}
	}
	select {
	case m.calls <- c:
	case <-m.w.failed:
		return m.w.failure
	}
	select {
	case err := <-c.over:
		return err
	case <-m.w.failed:
		return m.w.failure
	}
}

// layout is where parts that lie side by side stand, for MPI.
type layout struct {
	base unsafe.Pointer
	n    []C.int
	at   []C.int
}

func (m *mpi) layout(parts [][]byte) layout {
	l := layout{n: make([]C.int, len(parts)), at: make([]C.int, len(parts))}
	at := 0
	for i, p := range parts {
		if l.base == nil && len(p) > 0 {
			l.base = unsafe.Pointer(&p[0])
		}
		l.n[i], l.at[i] = C.int(len(p)), C.int(at)
		at += len(p)
	}
	return l
}

// pins is memory that a call with these layouts reads.
func (l layout) pins() [][]byte {
	size := len(l.n) * int(unsafe.Sizeof(l.n[0]))
	return [][]byte{unsafe.Slice((*byte)(unsafe.Pointer(&l.n[0])), size), unsafe.Slice((*byte)(unsafe.Pointer(&l.at[0])), size)}
}

func (m *mpi) exchange(out, in [][]byte) error {
	from, to := m.layout(out), m.layout(in)
	from.n[m.w.rank], to.n[m.w.rank] = 0, 0
	return m.do(false, slices.Concat(out, in, from.pins(), to.pins()), func(r *C.MPI_Request) C.int {
		return C.gw_exchange(from.base, &from.n[0], &from.at[0], to.base, &to.n[0], &to.at[0], r)
	})
}

func (m *mpi) spread(parts [][]byte, patient bool) error {
	all := m.layout(parts)
	return m.do(patient, slices.Concat(parts, all.pins()), func(r *C.MPI_Request) C.int {
		return C.gw_spread(all.base, &all.n[0], &all.at[0], r)
	})
}

func (m *mpi) broadcast(data []byte, root int) error {
	return m.do(true, [][]byte{data}, func(r *C.MPI_Request) C.int {
		return C.gw_broadcast(unsafe.Pointer(&data[0]), C.int(len(data)), C.int(root), r)
	})
}

func (m *mpi) abort(code int) {
	m.asked <- func() { m.stop(code) }
	select {} // MPI ends the process
}

func (m *mpi) finalize() {
	over := make(chan struct{})
	m.asked <- func() {
		for until := time.Now().Add(time.Second); (len(m.out) > 0 || len(m.sends) > 0) && time.Now().Before(until); {
			if m.control() != nil {
				break
			}
			m.progress()
		}
		C.MPI_Finalize()
		close(over)
		select {} // no call is made after it
	}
	<-over
}

// last says a failure and ends all processes.
func (m *mpi) last(f *Failure) {
	m.asked <- func() { m.watch.last(f) }
	select {}
}

// said is an error of MPI in its own words.
func said(what string, code C.int) error {
	if code == 0 {
		return nil
	}
	text := (*C.char)(C.malloc(C.gw_texts + 1))
	defer C.free(unsafe.Pointer(text))
	C.gw_error(code, text)
	return fmt.Errorf("%s: %s", what, C.GoString(text))
}

//go:build mpi && cgo

package world

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
)

func defaultPatience() patience {
	return patience{beat: time.Second, silence: 15 * time.Second, grace: 4 * time.Second}
}

// watch looks after the other processes. But for its channels it belongs to the goroutine
// of the transport.
type watch struct {
	patience
	w     *World
	wait  atomic.Int64   // of Bound
	asked chan func()    // what that goroutine is to do
	left  atomic.Int64   // calls under way
	begun uint64         // calls so far
	stop  func(code int) // ends all processes

	peers    []int // who says that it is alive to whom
	seen     map[int]time.Time
	begunAt  map[int]uint64 // calls of each
	at       time.Time      // of the last look
	beaten   time.Time
	failedAt time.Time
	out      []outgoing
	byes     map[int]bool // with whether no call was left over
	ended    chan bool    // all have said bye; clean or not
	closing  bool         // this process is at its end
	over     bool         // all are
}

type outgoing struct {
	message
	to int
}

func newWatch(w *World, o Options) *watch {
	return &watch{patience: o.patience, w: w, asked: make(chan func()), byes: map[int]bool{}, ended: make(chan bool, 1)}
}

// begin is called once rank and size are known.
func (m *watch) begin() {
	m.seen, m.begunAt = map[int]time.Time{}, map[int]uint64{}
	m.peers = []int{0}
	if m.w.rank == 0 {
		m.peers = nil
		for rank := 1; rank < m.w.Size(); rank++ {
			m.peers = append(m.peers, rank)
		}
	}
	m.at = time.Now()
	for _, rank := range m.peers {
		m.seen[rank] = m.at
	}
}

// timeout is how long a call may wait. Rank 0, who knows who is late, speaks first.
func (m *watch) timeout() time.Duration {
	wait := time.Duration(m.wait.Load())
	if wait <= 0 {
		return math.MaxInt64
	}
	if m.w.rank > 0 {
		return wait + 2*m.grace
	}
	return wait
}

func (m *watch) bound(wait time.Duration) { m.wait.Store(int64(wait)) }

// due gives the messages that are to be sent, where so many are still on their way.
func (m *watch) due(unsent int) []outgoing {
	now := time.Now()
	if now.Sub(m.at) > m.silence/2 { // it was itself that stood still
		for _, rank := range m.peers {
			m.seen[rank] = now
		}
	}
	m.at = now
	if !m.over && now.Sub(m.beaten) >= m.beat && unsent < 4*len(m.peers) {
		m.beaten = now
		for _, rank := range m.peers {
			m.out = append(m.out, outgoing{message{Kind: beat, Calls: m.begun}, rank})
		}
	}
	m.look(now)
	out := m.out
	m.out = nil
	return out
}

// look looks whether somebody is silent, and whether the end of a failed world is late.
func (m *watch) look(now time.Time) {
	for _, rank := range m.peers {
		if _, left := m.byes[rank]; !left && now.Sub(m.seen[rank]) > m.silence {
			m.w.fail(&Failure{Member: m.w.Member(rank), Reason: fmt.Sprintf("has not been heard of for %v: it was killed, stopped or hangs, or its host is gone", m.silence), Code: 1})
		}
	}
	select {
	case <-m.w.failed:
	default:
		return
	}
	if m.failedAt.IsZero() {
		m.failedAt = now
	}
	if now.Sub(m.failedAt) > m.mercy() && !m.closing {
		m.last(m.w.failure)
	}
}

// mercy is how long after a failure this process ends all others. Rank 0, who speaks for
// all, comes first.
func (m *watch) mercy() time.Duration {
	if m.w.rank > 0 {
		return 3 * m.grace
	}
	return m.grace
}

// last is the last word of a process that ends all others.
func (m *watch) last(f *Failure) {
	fmt.Fprintf(m.w.console, "gorqa: %v\n", f)
	m.stop(f.Code)
}

// late fails the world because a call has waited too long.
func (m *watch) late(waited time.Duration) {
	var who []string
	var first Member
	for _, rank := range m.peers {
		if m.begunAt[rank] < m.begun {
			if who == nil {
				first = m.w.Member(rank)
			}
			who = append(who, m.w.Member(rank).String())
		}
	}
	if who == nil {
		first, who = m.w.Member(m.w.rank), []string{"nobody that is known"}
	}
	m.w.fail(&Failure{Member: first, Code: 1, Reason: fmt.Sprintf("all others wait at a collective call for %v already, longer than ddp_timeout; alive, but not there: %s", waited.Round(time.Second), strings.Join(who, ", "))})
}

// heard takes a message.
func (m *watch) heard(from int, msg message) {
	m.seen[from] = time.Now()
	switch msg.Kind {
	case beat:
		m.begunAt[from] = msg.Calls
	case fault:
		m.w.fail(msg.Fault)
	case bye:
		m.byes[from] = msg.Clean
		m.farewell()
	}
}

// farewell looks whether all have said bye.
func (m *watch) farewell() {
	if !m.closing || m.over || len(m.byes) < len(m.peers) {
		return
	}
	clean := m.left.Load() == 0
	for _, c := range m.byes {
		clean = clean && c
	}
	if m.w.rank == 0 {
		for _, rank := range m.peers {
			m.out = append(m.out, outgoing{message{Kind: bye, Clean: clean}, rank})
		}
	}
	m.over = true
	m.ended <- clean
}

// tell tells all peers of a failure.
func (m *watch) tell(f *Failure) {
	m.asked <- func() {
		for _, rank := range m.peers {
			m.out = append(m.out, outgoing{message{Kind: fault, Fault: f}, rank})
		}
	}
}

// close says bye, and waits until all have: while they work where the world is well, for a
// moment where it has failed. clean is false where calls are left over, or processes
// are gone.
func (m *watch) close() (clean bool) {
	m.asked <- func() {
		m.closing = true
		if m.w.rank > 0 {
			m.out = append(m.out, outgoing{message{Kind: bye, Clean: m.left.Load() == 0}, 0})
		}
		m.farewell()
	}
	select {
	case clean = <-m.ended:
	case <-m.w.failed:
		select {
		case clean = <-m.ended:
		case <-time.After(m.mercy()):
		}
	}
	if !clean && m.w.rank > 0 { // rank 0 says why and ends all, unless it cannot
		time.Sleep(m.grace)
	}
	return clean
}

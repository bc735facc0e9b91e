// Package pickle reads Python's pickles, of protocols 0 to 5, as data: nothing in
// them is called. Where a pickle would make an instance of a class, an Object says
// which one, and of what; the reader decides what that stands for, and names the
// classes that it knows.
//
// Memory is bounded by the size of the pickle. It must not know documents.
package pickle

import (
	"bytes"
	"errors"
	"fmt"
)

// Values of a pickle are nil, bool, int64, *big.Int, float64, string, Bytes,
// *List, Tuple, *Dict, *Set, Class and *Object. Lists, dicts and objects may be
// shared, and may hold themselves.
type (
	// Bytes are bytes and bytearray.
	Bytes []byte
	// List is a list.
	List struct{ Items []any }
	// Tuple is a tuple.
	Tuple []any
	// Dict is a dict in the order of its making; a later entry of a key wins.
	Dict struct{ Entries []Entry }
	// Entry is one entry of a dict.
	Entry struct{ Key, Value any }
	// Set is a set or frozenset, in no order.
	Set struct{ Items []any }
	// Class is a class or function by its name.
	Class struct{ Module, Name string }
	// Object is what a class was asked to make.
	Object struct {
		Class Class
		Args  Tuple   // of the call that makes it
		State any     // what it is filled with; nil for nothing
		Items []any   // appended to it, for classes like lists
		Pairs []Entry // assigned to it, for classes like dicts
	}
)

// Persistent stands for what a pickle refers to outside of itself, as PyTorch's does to
// tensors: an Object of it has the reference as its argument. Only whoever knows this
// class can read such pickles.
var Persistent = Class{"pickle", "persistent_load"}

// String writes module.name.
func (c Class) String() string { return c.Module + "." + c.Name }

// Limits of a pickle that is read.
const (
	maxMarks = 256     // open MARKs
	maxStack = 1 << 22 // values that wait
)

// Read reads one pickle. Classes that known does not know are an error that
// names them.
func Read(data []byte, known func(Class) bool) (any, error) {
	m := &machine{data: data, known: known}
	for {
		at := m.at
		done, err := m.step()
		if err != nil {
			return nil, fmt.Errorf("%w, at byte %d", err, at)
		}
		if done {
			return m.pop()
		}
	}
}

// machine is the state of a pickle that is read.
type machine struct {
	data  []byte
	at    int
	known func(Class) bool
	stack []any
	marks []int
	memo  []any       // by number, as far as they come in turn
	rest  map[int]any // of other numbers
	made  int
}

var (
	errEnd     = errors.New("a pickle that ends too early")
	errStack   = errors.New("a damaged pickle: a value is missing")
	errOutside = errors.New("a reference out of the pickle")
	errMark    = errors.New("a damaged pickle: no mark")
)

// take reads n bytes of the argument of an opcode.
func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.data)-m.at) {
		return nil, fmt.Errorf("a length of %d where %d bytes are left", n, len(m.data)-m.at)
	}
	b := m.data[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

// number reads n bytes, the lowest first.
func (m *machine) number(n uint64) (uint64, error) {
	if n > uint64(len(m.data)-m.at) {
		return 0, errEnd
	}
	b, err := m.take(n)
	var x uint64
	for i := len(b) - 1; i >= 0; i-- {
		x = x<<8 | uint64(b[i])
	}
	return x, err
}

// counted reads a length of n bytes, and as many bytes as it says.
func (m *machine) counted(n uint64) ([]byte, error) {
	length, err := m.number(n)
	if err != nil {
		return nil, err
	}
	return m.take(length)
}

// line reads up to a newline.
func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.data[m.at:], '\n')
	if n < 0 {
		return "", errEnd
	}
	s := string(m.data[m.at : m.at+n])
	m.at += n + 1
	return s, nil
}

func (m *machine) push(v any) error {
	if len(m.stack) >= maxStack {
		return fmt.Errorf("more than %d values that wait", maxStack)
	}
	m.stack = append(m.stack, v)
	return nil
}

// container counts what costs more memory than its opcode's byte.
func (m *machine) container(v any) error {
	if m.made++; m.made > 1<<12+len(m.data)/4 {
		return fmt.Errorf("more than %d lists, dicts and objects in %d bytes", m.made-1, len(m.data))
	}
	return m.push(v)
}

func (m *machine) pop() (any, error) {
	low := 0
	if n := len(m.marks); n > 0 {
		low = m.marks[n-1]
	}
	if len(m.stack) <= low {
		return nil, errStack
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// popN takes n values, in their order.
func (m *machine) popN(n int) (Tuple, error) {
	out := make(Tuple, n)
	for i := n - 1; i >= 0; i-- {
		var err error
		if out[i], err = m.pop(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// popMark takes what stands above the last mark.
func (m *machine) popMark() (Tuple, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errMark
	}
	from := m.marks[n-1]
	m.marks = m.marks[:n-1]
	items := append(Tuple{}, m.stack[from:]...)
	m.stack = m.stack[:from]
	return items, nil
}

// top is the value that the next one is put into.
func (m *machine) top() (any, error) {
	v, err := m.pop()
	if err == nil {
		m.stack = append(m.stack, v)
	}
	return v, err
}

func (m *machine) put(i int) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch {
	case i < len(m.memo):
		m.memo[i] = v
	case i == len(m.memo) && i < 1<<12+len(m.data)/2:
		m.memo = append(m.memo, v)
	case len(m.rest) > 1<<12+len(m.data)/8:
		return errors.New("values kept under more numbers than there are values")
	default:
		if m.rest == nil {
			m.rest = map[int]any{}
		}
		m.rest[i] = v
	}
	return nil
}

func (m *machine) get(i int) error {
	if i >= 0 && i < len(m.memo) {
		return m.push(m.memo[i])
	}
	v, ok := m.rest[i]
	if !ok {
		return fmt.Errorf("a damaged pickle: value %d was not kept", i)
	}
	return m.push(v)
}

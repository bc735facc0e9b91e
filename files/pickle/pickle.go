// Package pickle reads Python's pickles, of protocols 0 to 5, as data: nothing in
// them is called. Where a pickle would make an instance of a class, an Object says
// which one, and of what; the reader decides what that stands for, and names the
// classes that it knows.
//
// Memory is bounded by the size of the pickle. It must not know documents.
package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
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
	errEnd   = errors.New("a pickle that ends too early")
	errStack = errors.New("a damaged pickle: a value is missing")
	errMark  = errors.New("a damaged pickle: no mark")
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

// step runs one opcode (https://docs.python.org/3/library/pickletools.html).
func (m *machine) step() (done bool, err error) {
	if m.at >= len(m.data) {
		return false, fmt.Errorf("a pickle without end, after %d bytes", len(m.data))
	}
	op := m.data[m.at]
	m.at++
	switch op {
	case 0x80: // PROTO
		version, err := m.number(1)
		if err == nil && version > 5 {
			err = fmt.Errorf("protocol %d; at most 5 is known", version)
		}
		return false, err
	case 0x95: // FRAME
		if length, err := m.number(8); err != nil || length > uint64(len(m.data)-m.at) {
			return false, fmt.Errorf("a length of %d where %d bytes are left", length, len(m.data)-m.at)
		}
		return false, nil
	case '.':
		return true, nil
	case '(':
		if len(m.marks) == maxMarks {
			return false, fmt.Errorf("%d open marks", maxMarks+1)
		}
		m.marks = append(m.marks, len(m.stack))
		return false, nil
	case '0': // POP
		if _, err := m.pop(); errors.Is(err, errStack) && len(m.marks) > 0 {
			_, err = m.popMark()
			return false, err
		} else if err != nil {
			return false, err
		}
		return false, nil
	case '1': // POP_MARK
		_, err := m.popMark()
		return false, err
	case '2': // DUP
		v, err := m.top()
		if err != nil {
			return false, err
		}
		return false, m.push(v)
	case 'N':
		return false, m.push(nil)
	case 0x88, 0x89:
		return false, m.push(op == 0x88)
	case 'I', 'L', 'F', 'J', 'K', 'M', 'G', 0x8a, 0x8b:
		return false, m.numeral(op)
	case 'S', 'T', 'U', 'V', 'X', 'B', 'C', 0x8c, 0x8d, 0x8e, 0x96:
		return false, m.text(op)
	case ']':
		return false, m.container(&List{})
	case '}':
		return false, m.container(&Dict{})
	case 0x8f:
		return false, m.container(&Set{})
	case ')':
		return false, m.push(Tuple{})
	case 'l', 'd', 't', 0x91:
		items, err := m.popMark()
		if err != nil {
			return false, err
		}
		switch op {
		case 'l':
			return false, m.container(&List{items})
		case 't':
			return false, m.container(items)
		case 0x91:
			return false, m.container(&Set{items})
		}
		d := &Dict{}
		if err := setItems(d, items); err != nil {
			return false, err
		}
		return false, m.container(d)
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items, err := m.popN(int(op-0x85) + 1)
		if err != nil {
			return false, err
		}
		return false, m.container(items)
	case 'a':
		v, err := m.pop()
		if err != nil {
			return false, err
		}
		return false, m.extend(v)
	case 'e', 0x90: // APPENDS, ADDITEMS
		items, err := m.popMark()
		if err != nil {
			return false, err
		}
		return false, m.extend(items...)
	case 's':
		pair, err := m.popN(2)
		if err != nil {
			return false, err
		}
		return false, m.assign(pair)
	case 'u':
		items, err := m.popMark()
		if err != nil {
			return false, err
		}
		return false, m.assign(items)
	case 'p', 'g':
		line, err := m.line()
		if err != nil {
			return false, err
		}
		i, err := strconv.ParseUint(line, 10, 31)
		if err != nil {
			return false, fmt.Errorf("a damaged pickle: the number %.20q", line)
		}
		if op == 'p' {
			return false, m.put(int(i))
		}
		return false, m.get(int(i))
	case 'q', 'r', 'h', 'j':
		n := uint64(1)
		if op == 'r' || op == 'j' {
			n = 4
		}
		i, err := m.number(n)
		if err != nil {
			return false, err
		}
		if op == 'q' || op == 'r' {
			return false, m.put(int(i))
		}
		return false, m.get(int(i))
	case 0x94: // MEMOIZE
		return false, m.put(len(m.memo) + len(m.rest))
	case 'c', 'i', 'o', 0x93, 0x81, 0x92, 'R', 'b':
		return false, m.object(op)
	case 'P', 'Q':
		return false, errors.New("a reference out of the pickle")
	case 0x82, 0x83, 0x84:
		return false, errors.New("a class by number, of a registry of its own")
	case 0x97, 0x98:
		return false, errors.New("a buffer that lies outside the pickle")
	}
	return false, fmt.Errorf("the pickle opcode 0x%02x", op)
}

// numeral reads a number.
func (m *machine) numeral(op byte) error {
	switch op {
	case 'I', 'L', 'F':
		line, err := m.line()
		if err != nil {
			return err
		}
		wrong := fmt.Errorf("a damaged pickle: the number %.20q", line)
		switch {
		case op == 'I' && (line == "00" || line == "01"):
			return m.push(line == "01")
		case op == 'F':
			f, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
			if err != nil && !math.IsInf(f, 0) {
				return wrong
			}
			return m.push(f)
		}
		line = strings.TrimSuffix(strings.TrimSpace(line), "L")
		if len(line) > 4096 {
			return errors.New("a number of more than 4096 digits")
		}
		i, ok := new(big.Int).SetString(line, 10)
		if !ok {
			return wrong
		}
		return m.push(integer(i))
	case 'G':
		b, err := m.take(8)
		if err != nil {
			return errEnd
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case 0x8a, 0x8b:
		b, err := m.counted(map[byte]uint64{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		if len(b) > 2048 {
			return errors.New("a number of more than 2048 bytes")
		}
		return m.push(twos(b))
	case 'J':
		x, err := m.number(4)
		if err != nil {
			return err
		}
		return m.push(int64(int32(x)))
	}
	x, err := m.number(map[byte]uint64{'K': 1, 'M': 2}[op])
	if err != nil {
		return err
	}
	return m.push(int64(x))
}

// twos reads a number in two's complement, the lowest byte first.
func twos(b []byte) any {
	reversed := make([]byte, len(b))
	for i := range b {
		reversed[len(b)-1-i] = b[i]
	}
	x := new(big.Int).SetBytes(reversed)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return integer(x)
}

func integer(i *big.Int) any {
	if i.IsInt64() {
		return i.Int64()
	}
	return i
}

// text reads text or bytes.
func (m *machine) text(op byte) error {
	switch op {
	case 'S': // a Python literal in quotes, of Python 2
		line, err := m.line()
		if err != nil {
			return err
		}
		s, ok := unquote(strings.TrimSpace(line))
		if !ok {
			return fmt.Errorf("a damaged pickle: the text %.20q", line)
		}
		return m.push(s)
	case 'V':
		line, err := m.line()
		if err != nil {
			return err
		}
		s, ok := rawUnicode(line)
		if !ok {
			return fmt.Errorf("a damaged pickle: the text %.20q", line)
		}
		return m.push(s)
	}
	width := map[byte]uint64{'T': 4, 'U': 1, 'X': 4, 'B': 4, 'C': 1, 0x8c: 1, 0x8d: 8, 0x8e: 8, 0x96: 8}[op]
	b, err := m.counted(width)
	if err != nil {
		return err
	}
	switch op {
	case 'B', 'C', 0x8e, 0x96:
		return m.push(Bytes(b))
	}
	return m.push(string(b))
}

// rawUnicode decodes Python's raw-unicode-escape, protocol 0's text: Latin-1
// with \uXXXX and \UXXXXXXXX.
func rawUnicode(line string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(line); i++ {
		n := 0
		if line[i] == '\\' && i+1 < len(line) {
			n = map[byte]int{'u': 4, 'U': 8}[line[i+1]]
		}
		if n == 0 {
			out.WriteRune(rune(line[i]))
			continue
		}
		r, ok := hexRune(line, i+2, n)
		if !ok {
			return "", false
		}
		i += 1 + n
		if utf16.IsSurrogate(r) && strings.HasPrefix(line[i+1:], `\u`) {
			if low, ok := hexRune(line, i+3, 4); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				r = utf16.DecodeRune(r, low)
				i += 6
			}
		}
		if !utf8.ValidRune(r) {
			return "", false
		}
		out.WriteRune(r)
	}
	return out.String(), true
}

func hexRune(s string, at, n int) (rune, bool) {
	if at+n > len(s) {
		return 0, false
	}
	x, err := strconv.ParseUint(s[at:at+n], 16, 32)
	return rune(x), err == nil && x <= utf8.MaxRune
}

// unquote reads a string literal of Python 2.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		if to := strings.IndexByte(`\'"abfnrtv`, s[i]); to >= 0 {
			out = append(out, "\\'\"\a\b\f\n\r\t\v"[to])
		} else if s[i] == 'x' && i+2 < len(s) {
			x, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			out = append(out, byte(x))
			i += 2
		} else {
			out = append(out, '\\', s[i])
		}
	}
	return string(out), true
}

// extend appends to the list, set or object on the stack.
func (m *machine) extend(items ...any) error {
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *List:
		to.Items = append(to.Items, items...)
	case *Set:
		to.Items = append(to.Items, items...)
	case *Object:
		to.Items = append(to.Items, items...)
	default:
		return errors.New("a damaged pickle: items without a list")
	}
	return nil
}

// assign puts pairs into the dict or object on the stack.
func (m *machine) assign(items Tuple) error {
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *Dict:
		return setItems(to, items)
	case *Object:
		d := Dict{to.Pairs}
		err := setItems(&d, items)
		to.Pairs = d.Entries
		return err
	}
	return errors.New("a damaged pickle: entries without a dict")
}

func setItems(d *Dict, items Tuple) error {
	if len(items)%2 != 0 {
		return errors.New("a damaged pickle: a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
	return nil
}

// object reads what names classes, and what has them make and fill instances.
func (m *machine) object(op byte) error {
	switch op {
	case 'c', 'i':
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		c, err := m.class(module, name)
		if err != nil || op == 'c' {
			return errors.Join(err, m.push(c))
		}
		args, err := m.popMark()
		if err != nil {
			return err
		}
		return m.make(c, args)
	case 0x93: // STACK_GLOBAL
		pair, err := m.popN(2)
		if err != nil {
			return err
		}
		module, ok := pair[0].(string)
		name, ok2 := pair[1].(string)
		if !ok || !ok2 {
			return errors.New("a damaged pickle: a class without a name")
		}
		c, err := m.class(module, name)
		if err != nil {
			return err
		}
		return m.push(c)
	case 'o':
		items, err := m.popMark()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errStack
		}
		return m.make(items[0], items[1:])
	case 'b':
		state, err := m.pop()
		if err != nil {
			return err
		}
		to, err := m.top()
		if err != nil {
			return err
		}
		o, ok := to.(*Object)
		if !ok {
			return errors.New("a damaged pickle: a state without an object")
		}
		o.State = state
		return nil
	}
	n := 2
	if op == 0x92 { // NEWOBJ_EX has named arguments, too
		n = 3
	}
	items, err := m.popN(n)
	if err != nil {
		return err
	}
	args, ok := items[1].(Tuple)
	if !ok {
		return errors.New("a damaged pickle: a call without arguments")
	}
	if n == 3 {
		if named, ok := items[2].(*Dict); !ok || len(named.Entries) > 0 {
			return errors.New("an object that is made with named arguments")
		}
	}
	return m.make(items[0], args)
}

func (m *machine) class(module, name string) (Class, error) {
	c := Class{module, name}
	if !isMaker(c) && !m.known(c) {
		return c, fmt.Errorf("the class %.80q of module %.80q", name, module)
	}
	return c, nil
}

// isMaker tells the functions with which Python's pickler makes plain instances,
// and names methods of classes (getattr).
func isMaker(c Class) bool {
	return (c.Module == "copyreg" || c.Module == "copy_reg") && (c.Name == "_reconstructor" || c.Name == "__newobj__" || c.Name == "__newobj_ex__") ||
		isBuiltin(c) && (c.Name == "object" || c.Name == "getattr")
}

func isBuiltin(c Class) bool { return c.Module == "builtins" || c.Module == "__builtin__" }

// make pushes what a class is asked to make.
func (m *machine) make(callee any, args Tuple) error {
	c, ok := callee.(Class)
	if !ok {
		return errors.New("a damaged pickle: a call of what is no class")
	}
	if isBuiltin(c) && c.Name == "getattr" {
		of, ok := at(args, 0).(Class)
		name, ok2 := at(args, 1).(string)
		if !ok || !ok2 || len(args) != 2 {
			return errors.New("a damaged pickle: an attribute of what is no class")
		}
		method, err := m.class(of.Module, of.Name+"."+name)
		if err != nil {
			return err
		}
		return m.push(method)
	}
	if isMaker(c) && c.Name != "object" {
		if len(args) == 0 {
			return errStack
		}
		of, ok := args[0].(Class)
		if !ok {
			return errors.New("a damaged pickle: an instance of what is no class")
		}
		switch c.Name {
		case "_reconstructor": // the class, its base and the base's value
			args = nil
		case "__newobj__":
			args = args[1:]
		case "__newobj_ex__":
			inner, ok := at(args, 1).(Tuple)
			if named, is := at(args, 2).(*Dict); !ok || !is || len(named.Entries) > 0 {
				return errors.New("an object that is made with named arguments")
			}
			args = inner
		}
		c = of
	}
	return m.container(&Object{Class: c, Args: args})
}

func at(t Tuple, i int) any {
	if i < len(t) {
		return t[i]
	}
	return nil
}

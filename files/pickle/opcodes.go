package pickle

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
)

// step runs one opcode (https://docs.python.org/3/library/pickletools.html).
func (m *machine) step() (done bool, err error) {
	if m.at >= len(m.data) {
		return false, fmt.Errorf("a pickle without end, after %d bytes", len(m.data))
	}
	op := m.data[m.at]
	m.at++
	if op == '.' { // STOP
		return true, nil
	}
	return false, m.run(op)
}

func (m *machine) run(op byte) error {
	switch op {
	case 0x80, 0x95: // PROTO, FRAME
		return m.frame(op)
	case '(', '0', '1', '2': // MARK, POP, POP_MARK, DUP
		return m.restack(op)
	case 'N':
		return m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88)
	case 'I', 'L', 'F', 'J', 'K', 'M', 'G', 0x8a, 0x8b:
		return m.numeral(op)
	case 'S', 'T', 'U', 'V', 'X', 'B', 'C', 0x8c, 0x8d, 0x8e, 0x96:
		return m.text(op)
	case ']', '}', 0x8f, ')':
		return m.empty(op)
	case 'l', 'd', 't', 0x91, 0x85, 0x86, 0x87:
		return m.collect(op)
	case 'a', 'e', 0x90, 's', 'u':
		return m.fill(op)
	case 'p', 'g', 'q', 'r', 'h', 'j', 0x94:
		return m.remember(op)
	case 'c', 'i', 'o', 0x93, 0x81, 0x92, 'R', 'b':
		return m.object(op)
	case 'Q': // BINPERSID
		if id, err := m.pop(); err != nil || !m.known(Persistent) {
			return cmp.Or(err, errOutside)
		} else {
			return m.container(&Object{Class: Persistent, Args: Tuple{id}})
		}
	case 'P':
		return errOutside
	case 0x82, 0x83, 0x84:
		return errors.New("a class by number, of a registry of its own")
	case 0x97, 0x98:
		return errors.New("a buffer that lies outside the pickle")
	}
	return fmt.Errorf("the pickle opcode 0x%02x", op)
}

// frame checks the protocol's number, and the length of what follows.
func (m *machine) frame(op byte) error {
	if op == 0x80 {
		version, err := m.number(1)
		if err == nil && version > 5 {
			err = fmt.Errorf("protocol %d; at most 5 is known", version)
		}
		return err
	}
	if length, err := m.number(8); err != nil || length > uint64(len(m.data)-m.at) {
		return fmt.Errorf("a length of %d where %d bytes are left", length, len(m.data)-m.at)
	}
	return nil
}

// restack marks a place of the stack, drops what stands on it or doubles it.
func (m *machine) restack(op byte) error {
	switch op {
	case '(':
		if len(m.marks) == maxMarks {
			return fmt.Errorf("%d open marks", maxMarks+1)
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0':
		_, err := m.pop()
		if errors.Is(err, errStack) && len(m.marks) > 0 {
			_, err = m.popMark()
		}
		return err
	case '1':
		_, err := m.popMark()
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	return m.push(v)
}

// empty makes a list, dict, set or tuple of nothing.
func (m *machine) empty(op byte) error {
	switch op {
	case ']':
		return m.container(&List{})
	case '}':
		return m.container(&Dict{})
	case 0x8f:
		return m.container(&Set{})
	}
	return m.push(Tuple{})
}

// collect makes a list, dict, set or tuple of what stands on the stack.
func (m *machine) collect(op byte) error {
	var items Tuple
	var err error
	if op >= 0x85 && op <= 0x87 { // TUPLE1 to TUPLE3
		items, err = m.popN(int(op-0x85) + 1)
	} else {
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	switch op {
	case 'l':
		return m.container(&List{items})
	case 0x91:
		return m.container(&Set{items})
	case 'd':
		d := &Dict{}
		if err := setItems(d, items); err != nil {
			return err
		}
		return m.container(d)
	}
	return m.container(items)
}

// fill puts what stands on the stack into the list, set, dict or object below it.
func (m *machine) fill(op byte) error {
	var items Tuple
	var err error
	switch op {
	case 'a':
		items, err = m.popN(1)
	case 's':
		items, err = m.popN(2)
	default:
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	if op == 's' || op == 'u' {
		return m.assign(items)
	}
	return m.extend(items...)
}

// remember keeps the value on the stack under a number, or pushes one that was
// kept.
func (m *machine) remember(op byte) error {
	if op == 0x94 { // MEMOIZE
		return m.put(len(m.memo) + len(m.rest))
	}
	i, err := m.index(op)
	if err != nil {
		return err
	}
	if op == 'p' || op == 'q' || op == 'r' {
		return m.put(i)
	}
	return m.get(i)
}

// index reads the number under which a value is kept.
func (m *machine) index(op byte) (int, error) {
	width := uint64(1)
	switch op {
	case 'p', 'g':
		line, err := m.line()
		if err != nil {
			return 0, err
		}
		i, err := strconv.ParseUint(line, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("a damaged pickle: the number %.20q", line)
		}
		return int(i), nil
	case 'r', 'j':
		width = 4
	}
	i, err := m.number(width)
	return int(i), err
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

package pickle

import (
	"errors"
	"fmt"
)

// object reads what names classes, and what has them make and fill instances.
func (m *machine) object(op byte) error {
	switch op {
	case 'c', 'i', 0x93: // GLOBAL, INST, STACK_GLOBAL
		return m.named(op)
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
		return m.setState()
	}
	return m.call(op)
}

// named pushes a class that is named by lines or by texts on the stack, or an
// instance of it.
func (m *machine) named(op byte) error {
	if op == 0x93 {
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
	}
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
}

// setState gives an object what it is filled with.
func (m *machine) setState() error {
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

// call takes a class and the arguments that it makes an instance of.
func (m *machine) call(op byte) error {
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

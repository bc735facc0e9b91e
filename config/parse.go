package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Settings is one command's settings: *Train, *Eval and the others of this
// package.
type Settings interface {
	// Validate returns every problem of the settings, joined, or nil.
	Validate() error

	declare(*set)
	notices() []string
}

// ErrHelp is returned by Parse when -h or --help was given.
var ErrHelp = errors.New("help wanted")

// An assignment is one name with its values, from a file or a command line.
type assignment struct {
	where   string // "file:line: " or "--"
	name    string
	section string // of a file, "" for none
	values  []string
	nested  bool // the value is a mapping of a file, as JSON
}

// Parse sets s, which holds the defaults, from a command's arguments: first
// from the file of --config (or of a lone .yaml, .yml or .json argument),
// then from the flags. It returns what the user should be told (a setting
// that was ignored), and all problems together, those of Validate
// included. All of them are wrong usage. A command that works on a run takes its
// settings and its model from the run's folder.
func Parse(s Settings, args []string) (notices []string, err error) {
	notices, _, err = ParseCommand(s, args)
	return notices, err
}

// ParseCommand is Parse, which also says whether the console is to be quiet.
func ParseCommand(s Settings, args []string) (notices []string, quiet bool, err error) {
	set := newSet(s)
	notices, err = set.parse(s, args)
	return notices, set.quiet, err
}

func (set *set) parse(s Settings, args []string) (notices []string, err error) {
	file := ""
	if len(args) == 1 && isSettingsFile(args[0]) && (set.positional == nil || set.positional.required == 0) {
		file, args = args[0], nil
	}
	flags, rest, err := set.split(args)
	if errors.Is(err, ErrHelp) {
		return nil, ErrHelp
	}
	run, rest, runErr := set.findRun(rest)
	problems := []error{err, runErr}
	if run != nil {
		file = run.settings
	}
	for _, a := range flags {
		if st := set.lookup(a.name); st != nil && st.name == "config" {
			file = a.values[len(a.values)-1]
		}
	}
	if file != "" {
		given, err := readFile(file)
		problems = append(problems, err)
		said, err := set.apply(given)
		notices, problems = append(notices, said...), append(problems, err)
	}
	for _, st := range set.settings {
		st.given = false
	}
	if run != nil {
		problems = append(problems, run.use(set, flags))
	}
	said, err := set.apply(flags)
	notices, problems = append(notices, said...), append(problems, err)
	problems = append(problems, set.arguments(rest))
	for _, later := range set.later {
		said, err := later()
		notices = append(notices, said...)
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return notices, err
	}
	if set.settle != nil {
		set.settle()
	}
	return append(notices, s.notices()...), s.Validate()
}

func isSettingsFile(arg string) bool {
	if strings.HasPrefix(arg, "-") {
		return false
	}
	return slices.Contains([]string{".json", ".yaml", ".yml"}, strings.ToLower(filepath.Ext(arg)))
}

// split reads a command line as assignments and other arguments. A flag's
// value stands after it or after "=". A boolean's value may be left out; a
// list takes all that follows up to the next flag.
func (s *set) split(args []string) (given []assignment, rest []string, err error) {
	var problems []error
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return given, append(rest, args...), errors.Join(problems...)
		case arg == "-h" || arg == "--help":
			return nil, nil, ErrHelp
		case !strings.HasPrefix(arg, "-") || arg == "-":
			rest = append(rest, arg)
			continue
		case !strings.HasPrefix(arg, "--"):
			problems = append(problems, fmt.Errorf("%s: no flag of one letter is known but -h; write flags as --name value", arg))
			continue
		}
		name, value, attached := strings.Cut(arg[2:], "=")
		st := s.lookup(name)
		if st == nil && strings.HasPrefix(name, "no_") && !attached {
			// HfArgumentParser gives every boolean a --no_ form.
			if st = s.lookup(name[3:]); st != nil && st.kind == boolean {
				given = append(given, assignment{where: "--", name: st.name, values: []string{"false"}})
				continue
			}
			st = nil
		}
		if st == nil {
			given = append(given, assignment{where: "--", name: name})
			for !attached && len(args) > 0 && !strings.HasPrefix(args[0], "--") && args[0] != "-h" {
				args = args[1:]
			}
			continue
		}
		values := []string{value}
		if !attached {
			n := st.takes(args, s)
			if n == 0 && st.kind != boolean && st.kind != optional && st.off == "" {
				problems = append(problems, fmt.Errorf("--%s: nothing found; a value expected (--%s %s)", st.name, st.name, st.metavar))
				continue
			}
			values, args = args[:n:n], args[n:]
			if n == 0 {
				values = []string{"true"}
			}
		}
		given = append(given, assignment{where: "--", name: name, values: values})
	}
	return given, rest, errors.Join(problems...)
}

// takes returns how many of the arguments that follow a flag are its values.
func (st *setting) takes(args []string, s *set) int {
	isFlag := func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return strings.HasPrefix(name, "--") && (len(name) == 2 || s.lookup(name[2:]) != nil)
	}
	if len(args) == 0 || isFlag(args[0]) {
		return 0
	}
	switch st.kind {
	case boolean:
		if _, ok := parseBool(args[0]); !ok {
			return 0
		}
	case optional:
		if strings.HasPrefix(args[0], "--") {
			return 0
		}
	case list:
		n := 0
		for n < len(args) && !strings.HasPrefix(args[n], "--") {
			n++
		}
		return n
	}
	return 1
}

// apply assigns in order and returns what was ignored.
func (s *set) apply(given []assignment) (notices []string, err error) {
	var problems []error
	var unchosen []string // ignored ones of sections, which a program wrote with all others
	for _, a := range given {
		st := s.lookup(a.name)
		switch {
		case st != nil && a.where != "--" && a.name != st.name && slices.ContainsFunc(given, func(b assignment) bool { return b.name == st.name }):
			// A file that has both names was written where they mean two things.
		case st != nil && st.secret && a.section != "" && hiddenToken(a.values):
		case a.nested && (st == nil || !st.nested && st.off == ""):
			problems = append(problems, fmt.Errorf("%s%s: a mapping found; a value or a list of values expected", a.where, a.name))
		case st == nil && a.where != "--" && knownElsewhere(a.name):
			// One file serves several commands: each takes what is its own.
		case st == nil:
			problem := "no such setting"
			if knownElsewhere(a.name) {
				problem = "a setting of another command, which this one does not take"
				if kin := s.kin(a.name); kin != "" {
					problem += "; this one's is " + kin
				}
			} else if near := s.nearest(a.name); near != "" {
				problem += "; the nearest known one is " + near
			}
			problems = append(problems, fmt.Errorf("%s%s: %s", a.where, a.name, problem))
		case st.off != "":
			if asksForNothing(a.values) || a.nested && objectAsksForNothing(a.values[0]) {
				continue
			}
			message := fmt.Sprintf("%s%s: %s", a.where, a.name, st.off)
			switch {
			case st.refused:
				problems = append(problems, errors.New(message))
			case a.section != "":
				unchosen = append(unchosen, a.name)
			default:
				notices = append(notices, message+" (ignored)")
			}
		case st.name == "config" && a.where != "--":
			problems = append(problems, fmt.Errorf("%sconfig: a settings file inside a settings file; write its settings here", a.where))
		case st.kind != list && len(a.values) != 1:
			problems = append(problems, fmt.Errorf("%s%s: %d values found; one expected", a.where, a.name, len(a.values)))
		default:
			if st.kind == list && len(a.values) == 0 {
				a.values = []string{""}
			}
			st.set, st.where = true, a.where
			for _, v := range a.values {
				// Set is called on the value itself: pflag would wrap the error.
				if err := st.Set(v); err != nil {
					problems = append(problems, fmt.Errorf("%s%s: %w", a.where, a.name, err))
				}
			}
		}
	}
	if len(unchosen) > 0 {
		notices = append(notices, fmt.Sprintf("of the settings file's sections these change nothing here and are ignored: %s", strings.Join(unchosen, ", ")))
	}
	return notices, errors.Join(problems...)
}

// arguments takes the arguments that are no flags.
func (s *set) arguments(rest []string) error {
	p := s.positional
	if p == nil {
		p = &positional{}
	}
	names := p.names
	if p.run { // findRun has taken it
		names = names[1:]
	}
	if len(rest) > len(names) && !p.many {
		return fmt.Errorf("%q: found beside the flags; nothing more expected (is a -- missing before a name, or quotes around a value?)", rest[len(names)])
	}
	if len(rest) < p.required {
		return fmt.Errorf("%s: missing; expected after the command's name", strings.Join(names[len(rest):], " "))
	}
	if p.take != nil {
		p.take(rest)
	}
	return nil
}

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// A kind says how a setting takes its values.
type kind int

const (
	single   kind = iota // exactly one value
	boolean              // true where the value is left out
	optional             // "true" where the value is left out
	list                 // any number of values, also split at commas
)

// A setting is one declared name. It is a pflag.Value.
type setting struct {
	name    string
	group   string
	metavar string
	help    string
	kind    kind
	nested  bool // a settings file may give a mapping, which it is handed as JSON
	secret  bool // never written to a file
	hidden  bool // taken over into other settings: neither in the help nor in files

	assign func(string) error
	value  func() any // what all_args.json holds
	text   func() string

	off     string // a foreign setting: why it is refused or ignored
	refused bool   // a foreign setting that is an error, not only said
	given   bool   // a list that was assigned to: the default is gone
	set     bool   // assigned to by a file or a flag
	where   string // where, for messages
}

func (s *setting) Set(text string) error { return s.assign(text) }
func (s *setting) String() string        { return s.text() }
func (s *setting) Type() string          { return s.metavar }

// A set is the declared settings of one command.
type set struct {
	flags      *pflag.FlagSet
	settings   []*setting
	aliases    map[string]string
	group      string
	positional *positional
	config     string // the --config file
	quiet      bool
	settle     func()                                 // sets what follows from other settings; nil for nothing
	later      []func() (notices []string, err error) // what needs all settings that were given
}

// positional is the arguments of a command that are no flags.
type positional struct {
	names    []string // one per argument, for messages and the usage line
	required int
	run      bool // the first may be the folder of a run
	many     bool // the last name stands for any number
	take     func([]string)
}

func newSet(s Settings) *set {
	set := &set{
		flags:   pflag.NewFlagSet("gorqa", pflag.ContinueOnError),
		aliases: map[string]string{},
	}
	set.flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "-", "_")
		if to, ok := set.aliases[name]; ok {
			name = to
		}
		return pflag.NormalizedName(name)
	})
	s.declare(set)
	if len(set.settings) == 0 {
		return set
	}
	set.section("Settings file and console")
	set.boolean(&set.quiet, "quiet", "write warnings and errors alone to the console, no progress and no notes").secret = true
	set.text(&set.config, "config", "FILE", "YAML or JSON file of settings; flags win over it (a lone .yaml, .yml or .json argument is taken for one too)").secret = true
	return set
}

// section starts a group of settings, for the help.
func (s *set) section(name string) { s.group = name }

// alias makes other names mean the declared one.
func (s *set) alias(name string, others ...string) {
	for _, other := range others {
		s.aliases[other] = name
	}
}

func (s *set) add(st *setting) *setting {
	st.group = s.group
	s.settings = append(s.settings, st)
	s.flags.Var(st, st.name, st.help)
	return st
}

// lookup finds a declared setting by its name, an alias, or either with hyphens.
func (s *set) lookup(name string) *setting {
	f := s.flags.Lookup(name)
	if f == nil {
		return nil
	}
	return f.Value.(*setting)
}

func (s *set) text(p *string, name, metavar, help string) *setting {
	return s.add(&setting{
		name: name, metavar: metavar, help: help,
		assign: func(v string) error { *p = v; return nil },
		value:  func() any { return *p },
		text:   func() string { return *p },
	})
}

func (s *set) choice(p *string, name, help string, of ...string) *setting {
	st := s.text(p, name, strings.Join(of, "|"), help)
	st.assign = func(v string) error {
		if !slices.Contains(of, v) {
			return fmt.Errorf("%q found; %s expected", v, oneOf(of))
		}
		*p = v
		return nil
	}
	return st
}

// object declares a JSON object, kept as text in one form.
func (s *set) object(p *string, name, help string) *setting {
	st := s.text(p, name, "JSON", help)
	st.nested = true
	st.assign = func(v string) error {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(v))
		d.UseNumber()
		err := d.Decode(&object)
		if _, more := d.Token(); strings.TrimSpace(v) != "" && (err != nil || !errors.Is(more, io.EOF)) {
			return fmt.Errorf("%q found; a JSON object such as {\"name\": 1} expected", v)
		}
		*p = ""
		if len(object) > 0 {
			text, err := marshal(object)
			if err != nil {
				return err
			}
			*p = string(text)
		}
		return nil
	}
	st.value = func() any {
		if *p == "" {
			return nil
		}
		return json.RawMessage(*p)
	}
	return st
}

func (s *set) integer(p *int, name, help string) *setting {
	return s.add(&setting{
		name: name, metavar: "N", help: help,
		assign: func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				if errors.Is(err, strconv.ErrRange) {
					return fmt.Errorf("%q found, which is too large; a smaller whole number expected", v)
				}
				return fmt.Errorf("%q found; a whole number expected", v)
			}
			*p = n
			return nil
		},
		value: func() any { return *p },
		text:  func() string { return strconv.Itoa(*p) },
	})
}

// maybeText declares a text that is nil until it is given; it may be empty.
func (s *set) maybeText(p **string, name, metavar, help string) {
	s.add(&setting{
		name: name, metavar: metavar, help: help,
		assign: func(v string) error { *p = &v; return nil },
		value: func() any {
			if *p == nil {
				return nil
			}
			return **p
		},
		text: func() string {
			if *p == nil {
				return ""
			}
			return **p
		},
	})
}

// maybeInteger declares a whole number from 1 that is 0 until it is given.
func (s *set) maybeInteger(p *int, name, help string) {
	st := s.integer(p, name, help)
	assign, value := st.assign, st.value
	st.assign = func(v string) error {
		was := *p
		if err := assign(v); err != nil || *p > 0 {
			return err
		}
		*p = was
		return fmt.Errorf("%s found; 1 or more expected", v)
	}
	st.value = func() any {
		if *p == 0 {
			return nil
		}
		return value()
	}
	st.text = func() string {
		if *p == 0 {
			return ""
		}
		return strconv.Itoa(*p)
	}
}

func (s *set) seed(p *int64, name, help string) *setting {
	return s.add(&setting{
		name: name, metavar: "N", help: help,
		assign: func(v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return fmt.Errorf("%q found; a whole number of at most 64 bits expected", v)
			}
			*p = n
			return nil
		},
		value: func() any { return *p },
		text:  func() string { return strconv.FormatInt(*p, 10) },
	})
}

// maybeSeed declares a seed that is nil until it is given.
func (s *set) maybeSeed(p **int64, name, help string) *setting {
	var n int64
	return pointer(s.seed(&n, name, help), &n, p)
}

func (s *set) number(p *float64, name, help string) *setting {
	return s.add(&setting{
		name: name, metavar: "X", help: help,
		assign: func(v string) error {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("%q found; a number expected", v)
			}
			*p = x
			return nil
		},
		value: func() any { return *p },
		text:  func() string { return strconv.FormatFloat(*p, 'g', -1, 64) },
	})
}

func (s *set) boolean(p *bool, name, help string) *setting {
	return s.add(&setting{
		name: name, metavar: "BOOL", help: help, kind: boolean,
		assign: func(v string) error {
			b, ok := parseBool(v)
			if !ok {
				return fmt.Errorf("%q found; true or false expected", v)
			}
			*p = b
			return nil
		},
		value: func() any { return *p },
		text:  func() string { return strconv.FormatBool(*p) },
	})
}

// maybe declares a boolean whose default depends on other settings: nil.
func (s *set) maybe(p **bool, name, help string) *setting {
	var b bool
	return pointer(s.boolean(&b, name, help), &b, p)
}

// pointer has a setting that assigns to value point p there once it is given.
func pointer[T any](st *setting, value *T, p **T) *setting {
	assign := st.assign
	st.assign = func(v string) error {
		if err := assign(v); err != nil {
			return err
		}
		*p = value
		return nil
	}
	st.value = func() any { return *p }
	st.text = func() string {
		if *p == nil {
			return ""
		}
		return fmt.Sprint(**p)
	}
	return st
}

func (s *set) list(p *[]string, name, metavar, help string) *setting {
	st := s.add(&setting{
		name: name, metavar: metavar, help: help, kind: list,
		value: func() any { return *p },
		text:  func() string { return strings.Join(*p, ",") },
	})
	st.assign = func(v string) error {
		if !st.given {
			*p, st.given = nil, true
		}
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
		return nil
	}
	return st
}

// parseBool takes the words that Hugging Face's HfArgumentParser takes.
func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// nearest returns the name of the declared setting that takes the fewest
// edits to reach from name.
func (s *set) nearest(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	var names []string
	for _, st := range s.settings {
		if st.off == "" && !st.hidden {
			names = append(names, st.name)
		}
	}
	return nearest(name, names)
}

// kin is the known name that has all of another, or all of which stands in it, "" for none:
// output of output_dir, eval_embedding_model of embedding_model.
func (s *set) kin(name string) string {
	near := s.nearest(name)
	if name = strings.ReplaceAll(name, "-", "_"); len(near) < 4 || !strings.Contains(name, near) && !strings.Contains(near, name) {
		return ""
	}
	return near
}

// nearest is the name that takes the fewest edits, "" of none.
func nearest(name string, names []string) string {
	best, least := "", math.MaxInt
	for _, candidate := range names {
		if d := edits(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// edits is the Levenshtein distance in bytes, with a shared beginning or a
// whole name inside the other counted as near.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	d := row[len(b)]
	if len(a) >= 4 && len(b) >= 4 && (strings.Contains(a, b) || strings.Contains(b, a)) {
		d = min(d, 3)
	}
	return d
}

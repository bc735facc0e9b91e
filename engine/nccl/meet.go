package nccl

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gorqa/engine/world"
)

// How NCCL sums, unless the user says: left to itself it chooses by size and topology, and
// sums in other orders; with NVLS a switch adds in none.
const (
	algorithm, ring  = "NCCL_ALGO", "Ring"
	protocol, simple = "NCCL_PROTO", "Simple"
)

// choose sets them before the library reads them.
func choose() error {
	return errors.Join(os.Setenv(algorithm, cmp.Or(os.Getenv(algorithm), ring)), os.Setenv(protocol, cmp.Or(os.Getenv(protocol), simple)))
}

// settings are what must be the same in all processes.
func settings() []string {
	return []string{algorithm + "=" + cmp.Or(os.Getenv(algorithm), ring), protocol + "=" + cmp.Or(os.Getenv(protocol), simple)}
}

// greeting is what a process tells the others first.
type greeting struct {
	Settings []string
	ID       []byte `json:",omitempty"` // of rank 0
	Problem  string `json:",omitempty"`
}

// meet exchanges greetings and gives rank 0's id, if all can go on and have the same settings.
func meet(w *world.World, here greeting) ([]byte, error) {
	data, err := json.Marshal(here)
	if err != nil {
		return nil, err
	}
	each, err := w.Gather(data)
	if err != nil {
		return nil, err
	}
	all := make([]greeting, len(each))
	for rank, data := range each {
		if err := json.Unmarshal(data, &all[rank]); err != nil {
			return nil, err
		}
	}
	for rank, g := range all {
		if g.Problem != "" {
			return nil, fmt.Errorf("%v: %s", w.Member(rank), g.Problem)
		}
	}
	for rank, g := range all {
		if !slices.Equal(g.Settings, all[0].Settings) {
			return nil, fmt.Errorf("%v has %s, %v has %s; the same expected", w.Member(0), strings.Join(all[0].Settings, ", "), w.Member(rank), strings.Join(g.Settings, ", "))
		}
	}
	return all[0].ID, nil
}

// together waits until all processes are done, or one has failed or does not come to an end;
// all get the same error then. NCCL itself would wait for ever.
func together(w *world.World, done <-chan error, patience time.Duration) error {
	const (
		working = iota
		well
		failed
	)
	here, problem, late := working, "", time.After(patience)
	for {
		select {
		case err := <-done:
			here = well
			if err != nil {
				here, problem = failed, err.Error()
			}
			done = nil
		case <-late:
			if here == working {
				here, problem = failed, fmt.Sprintf("not ready after %v", patience)
			}
		case <-time.After(20 * time.Millisecond):
		}
		each, err := w.Numbers(float64(here))
		if err != nil {
			return err
		}
		if slices.Min(each) == well && slices.Max(each) == well {
			return nil
		}
		if slices.Max(each) == failed {
			break
		}
	}
	each, err := w.Gather([]byte(problem))
	if err != nil {
		return err
	}
	for rank, text := range each {
		if len(text) > 0 {
			return fmt.Errorf("%v: %s", w.Member(rank), text)
		}
	}
	return errors.New("a process failed without a reason")
}

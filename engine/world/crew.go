package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Crew divides work that rank 0 alone comes upon, such as the texts that an index lacks:
// rank 0 calls Task.Do, as often as it needs, and Release in the end; all others call
// Follow in the meantime. nil is the crew of a world of one.
type Crew struct {
	world *World
	parts map[string]func(ctx context.Context, request json.RawMessage) ([]byte, error)
}

// order is what rank 0 has all processes do; no task is the end.
type order struct {
	Task    string          `json:"task"`
	Request json.RawMessage `json:"request"`
}

// Crew makes one, whose tasks are the same in all processes.
func (w *World) Crew() *Crew {
	if w.Size() == 1 {
		return nil
	}
	return &Crew{world: w, parts: map[string]func(context.Context, json.RawMessage) ([]byte, error){}}
}

// World is that of the crew.
func (c *Crew) World() *World {
	if c == nil {
		return nil
	}
	return c.world
}

// Task is work that a crew divides. Requests and results go between processes as JSON.
type Task[Request, Result any] struct {
	crew *Crew
	name string
	part func(context.Context, Request) (Result, error)
}

// NewTask adds a task to a crew; part does this process's part of a request.
func NewTask[Request, Result any](c *Crew, name string, part func(context.Context, Request) (Result, error)) *Task[Request, Result] {
	if c != nil {
		c.parts[name] = func(ctx context.Context, data json.RawMessage) ([]byte, error) {
			var q Request
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.UseNumber() // as files of documents are read
			if err := decoder.Decode(&q); err != nil {
				return nil, err
			}
			made, err := part(ctx, q)
			if err != nil {
				return nil, err
			}
			return json.Marshal(made)
		}
	}
	return &Task[Request, Result]{c, name, part}
}

// Do has every process do its part, and gives what each made in the order of ranks.
// Rank 0 calls it. Where ctx ends, the parts of the others are waited for.
func (t *Task[Request, Result]) Do(ctx context.Context, q Request) ([]Result, error) {
	if t.crew == nil {
		made, err := t.part(ctx, q)
		return []Result{made}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	request, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if err := t.crew.tell(order{t.name, request}); err != nil {
		return nil, err
	}
	made, err := t.part(ctx, q)
	each, lost := t.crew.world.Gather(nil) // what is here needs not go anywhere
	if err := errors.Join(err, lost); err != nil {
		return nil, err
	}
	all := make([]Result, len(each))
	all[0] = made
	for rank, data := range each[1:] {
		if err := json.Unmarshal(data, &all[rank+1]); err != nil {
			return nil, fmt.Errorf("%s: what %v made: %w", t.name, t.crew.world.Member(rank+1), err)
		}
	}
	return all, nil
}

// Follow does this process's parts of what rank 0 has all do, until it releases them. A
// signal does not end it: rank 0 decides.
func (c *Crew) Follow(ctx context.Context) error {
	ctx, stop := c.World().Failed(context.WithoutCancel(ctx))
	defer stop()
	for {
		data, err := c.World().Broadcast(nil, 0)
		if err != nil {
			return err
		}
		var o order
		if err := json.Unmarshal(data, &o); err != nil {
			return err
		}
		if o.Task == "" {
			return nil
		}
		do, ok := c.parts[o.Task]
		if !ok {
			return fmt.Errorf("rank 0 asks for %q, which this process does not know", o.Task)
		}
		made, err := do(ctx, o.Request)
		if err != nil {
			return err
		}
		if _, err := c.World().Gather(made); err != nil {
			return err
		}
	}
}

// Release ends Follow in all other processes.
func (c *Crew) Release() error {
	if c == nil {
		return nil
	}
	return c.tell(order{})
}

func (c *Crew) tell(o order) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = c.world.Broadcast(data, 0)
	return err
}

// Lead has rank 0 do something that the others help with, and gives it to all.
func Lead[T any](ctx context.Context, c *Crew, do func() (T, error)) (T, error) {
	if c.World().Rank() > 0 {
		if err := c.Follow(ctx); err != nil {
			var none T
			return none, err
		}
	}
	return Decide(c.World(), func() (T, error) {
		found, err := do()
		if err == nil {
			err = c.Release()
		}
		return found, err
	})
}

package train

import (
	"encoding/json"
	"errors"
	"fmt"

	"gorqa/files/weights"
	"gorqa/tensor/tape"
)

// wish is what rank 0 asks all processes for while it writes a checkpoint, one moment of
// a weight at a time, so that it never holds all. The zero value ends it.
type wish struct {
	Weight int // its place, from 1
	Square bool
}

// wished tells all processes what rank 0 wishes for.
func (z *zero) wished(here wish) (wish, error) {
	data, err := json.Marshal(here)
	if err != nil {
		return here, err
	}
	if data, err = z.world.Broadcast(data, 0); err != nil {
		return here, err
	}
	err = json.Unmarshal(data, &here)
	return here, err
}

// moment gives all values of a moment.
func (z *zero) moment(w wish) ([]float32, error) {
	return z.gather(z.params.All()[w.Weight-1], func(p *part, at int) float32 {
		if w.Square {
			return p.square[at]
		}
		return p.mean[at]
	})
}

// ask is for rank 0: a moment of the weight at a place.
func (z *zero) ask(weight int, square bool) ([]float32, error) {
	w, err := z.wished(wish{weight + 1, square})
	if err != nil {
		return nil, err
	}
	return z.moment(w)
}

// serve answers rank 0 until that has all it wishes for.
func (z *zero) serve() error {
	if z == nil {
		return nil
	}
	for {
		w, err := z.wished(wish{})
		if err != nil || w.Weight == 0 {
			return err
		}
		if _, err := z.moment(w); err != nil {
			return err
		}
	}
}

// dismiss ends serve, and lets go again what all weights lack of f32.
func (z *zero) dismiss() error {
	if z == nil {
		return nil
	}
	_, err := z.wished(wish{})
	return errors.Join(err, z.freeLow())
}

// load takes this process's part of saved moments.
func (z *zero) load(path string, f *weights.File) error {
	for _, name := range []string{"exp_avg.", "exp_avg_sq."} {
		var values []float32
		var of *tape.Param
		if err := z.own(func(p *part, q *tape.Param, lo, hi, at int) (err error) {
			if q != of {
				if err := checkBits(f, q.Name, false); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				if values, err = readMoment(f, name+q.Name, q.Dims); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				of = q
			}
			to := p.mean
			if name == "exp_avg_sq." {
				to = p.square
			}
			copy(to[at:], values[lo:hi])
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

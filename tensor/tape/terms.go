package tape

// Terms runs a head over loss terms, a bounded number at a time. The head takes
// states, sources [L] and targets [L] of i32 and weights [L] of f32, and gives
// an f32 scalar; the loss is the sum of the returned scalars.
func (t *Tape) Terms(head Bound, states *Value, sources, targets []int32, weights []float32) ([]*Value, error) {
	var losses []*Value
	most := t.runner.Device.TermsPerCall
	for lo := 0; lo < len(sources); lo += most {
		hi := min(lo+most, len(sources))
		from, err := t.Ints(sources[lo:hi], hi-lo)
		if err != nil {
			return nil, err
		}
		to, err := t.Ints(targets[lo:hi], hi-lo)
		if err != nil {
			return nil, err
		}
		counts, err := t.Floats(weights[lo:hi], hi-lo)
		if err != nil {
			return nil, err
		}
		out, err := t.Call(head, states, from, to, counts)
		if err != nil {
			return nil, err
		}
		losses = append(losses, out[0])
	}
	return losses, nil
}

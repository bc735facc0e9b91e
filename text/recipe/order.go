package recipe

import "math/rand/v2"

// Plan is the order of a training run's rows. It is a function of its fields
// alone, so that a resumed run meets the same rows.
type Plan struct {
	Rows    int
	PerStep int   // rows of an optimiser step; the last step of an epoch may have fewer
	Seed    int64 // of the order
	Group   []int // rows with equal numbers stand together, e.g. on one passage; nil for none
}

// StepsPerEpoch is how many optimiser steps go over all rows once.
func (p Plan) StepsPerEpoch() int { return (p.Rows + p.PerStep - 1) / p.PerStep }

// Step gives the rows of a step, by their place, and the epochs done after it.
// Steps are counted from 1 over all epochs.
func (p Plan) Step(number int) (rows []int, epoch float64) {
	per := p.StepsPerEpoch()
	turn, at := (number-1)/per, (number-1)%per
	order := p.order(turn)
	lo := at * p.PerStep
	return order[lo:min(lo+p.PerStep, len(order))], float64(turn) + float64(at+1)/float64(per)
}

// order shuffles the rows, or the groups of rows, for one epoch.
func (p Plan) order(epoch int) []int {
	random := rand.New(rand.NewPCG(uint64(p.Seed), uint64(epoch)))
	if p.Group == nil {
		return random.Perm(p.Rows)
	}
	members := map[int][]int{}
	var groups []int
	for i, g := range p.Group {
		if members[g] == nil {
			groups = append(groups, g)
		}
		members[g] = append(members[g], i)
	}
	random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	var order []int
	for _, g := range groups {
		order = append(order, members[g]...)
	}
	return order
}

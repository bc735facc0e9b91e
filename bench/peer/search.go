package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"time"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
)

// search is search.py: the best of several searches, as there.
func search(ctx context.Context, _ *xla.Engine, a arguments) (figures, error) {
	data, err := os.ReadFile(a.Vectors)
	if err != nil {
		return figures{}, fmt.Errorf("%w; search.py makes it", err)
	}
	const queries = 256
	if len(data) != 4*(a.SearchRows+queries)*a.Width {
		return figures{}, fmt.Errorf("%s: %d bytes; %d rows and %d queries of %d numbers expected", a.Vectors, len(data), a.SearchRows, queries, a.Width)
	}
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	rows := cpu.Rows{Values: values[:a.SearchRows*a.Width], Width: a.Width, Stride: a.Width}
	codes := cpu.NewCodes(a.SearchRows, a.Width)
	if codes != nil {
		if err := codes.Set(0, rows); err != nil {
			return figures{}, err
		}
	}
	asked := values[a.SearchRows*a.Width:][:a.Queries*a.Width]
	best, sum := math.Inf(1), 0.0
	for i := range 6 { // the first is not timed
		started := time.Now()
		hits, err := cpu.TopK(ctx, asked, rows, codes, a.K)
		if err != nil {
			return figures{}, err
		}
		if i > 0 {
			best = min(best, time.Since(started).Seconds())
		}
		sum = 0
		for _, of := range hits {
			for _, h := range of {
				sum += float64(h.Score)
			}
		}
	}
	return figures{RowsPerSecond: float64(a.Queries) / best, Scores: map[string]float64{"mean": sum / float64(a.Queries*a.K)}}, nil
}

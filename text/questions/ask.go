package questions

import (
	"context"
	"fmt"
)

// failuresInARow end the asking: then it is not one request that is at fault.
const failuresInARow = 5

// Ask has a writer reply to all requests. told, if not nil, hears of each reply, with how
// many there are. A request that fails is a reply with an error; several in a row end it.
func Ask(ctx context.Context, w Writer, requests []Request, told func(done int, r Reply)) ([]Reply, error) {
	all := make([]Reply, len(requests))
	done, failed := 0, 0
	err := w.Write(ctx, requests, func(i int, r Reply) error {
		all[i] = r
		done++
		if told != nil {
			told(done, r)
		}
		if r.Err == nil {
			failed = 0
			return nil
		}
		if failed++; failed == min(failuresInARow, len(requests)) {
			return fmt.Errorf("%d requests in a row failed, the last one: %w", failed, r.Err)
		}
		return nil
	})
	return all, err
}

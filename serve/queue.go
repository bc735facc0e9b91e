package serve

import (
	"context"
	"sync"
)

// queue holds what waits for the worker, of one client after the other, so that one who
// asks much does not keep the others waiting.
type queue struct {
	mu      sync.Mutex
	most    int // jobs that may wait
	waiting int
	clients map[string][]*job
	turns   []string      // clients with jobs, whose turn is next first
	arrived chan struct{} // holds one where something has come
}

func newQueue(most int) *queue {
	return &queue{most: most, clients: map[string][]*job{}, arrived: make(chan struct{}, 1)}
}

// push lets a job wait, unless too many do already.
func (q *queue) push(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == q.most {
		return false
	}
	q.waiting++
	if len(q.clients[j.client]) == 0 {
		q.turns = append(q.turns, j.client)
	}
	q.clients[j.client] = append(q.clients[j.client], j)
	select {
	case q.arrived <- struct{}{}:
	default:
	}
	return true
}

// take gives at most so many jobs, those whose clients have gone left out.
func (q *queue) take(most int) (jobs []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(jobs) < most && len(q.turns) > 0 {
		client := q.turns[0]
		q.turns = q.turns[1:]
		j := q.clients[client][0]
		q.waiting--
		if rest := q.clients[client][1:]; len(rest) > 0 {
			q.clients[client] = rest
			q.turns = append(q.turns, client)
		} else {
			delete(q.clients, client)
		}
		if !j.left() {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// wait returns once something has come.
func (q *queue) wait(ctx context.Context) error {
	select {
	case <-q.arrived:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

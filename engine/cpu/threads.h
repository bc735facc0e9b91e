// Threads that help with jobs of a tenth of a millisecond or so, which to wake a
// goroutine for would cost as much. One job runs at a time.

#pragma once

// A job that workers do together, each its share of it.
typedef void threads_job(void *arg, int worker, int workers);

// threads_run has at most so many workers do a job, the caller among them, and waits.
void threads_run(threads_job *job, void *arg, int workers);

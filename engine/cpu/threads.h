// Threads that help with jobs of a tenth of a millisecond or so, which to wake a
// goroutine for would cost as much. One job runs at a time.

#pragma once

#include <stddef.h>

// A job that workers do together, each its part of it: 0, or -1 if it cannot.
typedef int threads_job(void *arg, int worker, int workers);

// threads_run has at most so many workers do a job, the caller among them, and waits. It
// gives -1 if one of them does.
int threads_run(threads_job *job, void *arg, int workers);

// threads_of_calls is how many workers do what a foreign call is for; threads_for_calls sets it.
int threads_of_calls(void);
void threads_for_calls(int workers);

// threads_room gives memory of the calling thread's own, which holds until it asks again;
// NULL if there is none.
void *threads_room(size_t bytes);

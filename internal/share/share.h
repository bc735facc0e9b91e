// Package share explains it.

// A job that workers do together, each its share of it.
typedef void share_job(void *arg, int worker, int workers);

// share_run has at most so many workers do a job, the caller among them, and waits.
// It is the type of a pointer to itself, for C code of other packages.
typedef void share_function(share_job *job, void *arg, int workers);
void share_run(share_job *job, void *arg, int workers);

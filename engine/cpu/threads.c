#define _GNU_SOURCE
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

// A layer's work at decoding is a dozen jobs of a tenth of a millisecond. To wake
// a sleeping thread for one costs as much, so those that have just worked look
// out for the next job for a while before they sleep.

#define LOOKS 10000
#define MOST_WORKERS 256

static pthread_mutex_t callers = PTHREAD_MUTEX_INITIALIZER, rest = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_long number;            // of the job
static atomic_int sleeping, unfinished, failed;
static int threads;                   // started so far
static pthread_t ids[MOST_WORKERS];
static threads_job *job;
static void *argument;
static int sharing; // workers of the job

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void *work(void *which) {
    int worker = (int)(intptr_t)which;
    long done = atomic_load(&number);
    atomic_fetch_sub(&unfinished, 1); // it has started
    for (;;) {
        for (int i = 0; i < LOOKS && atomic_load(&number) == done; i++) pause_briefly();
        if (atomic_load(&number) == done) {
            pthread_mutex_lock(&rest);
            atomic_fetch_add(&sleeping, 1);
            while (atomic_load(&number) == done) pthread_cond_wait(&wake, &rest);
            atomic_fetch_sub(&sleeping, 1);
            pthread_mutex_unlock(&rest);
        }
        done++;
        if (worker < sharing && job(argument, worker, sharing)) atomic_store(&failed, 1);
        atomic_fetch_sub(&unfinished, 1);
    }
    return NULL;
}

// starts threads up to a number of workers, the caller among them. Signals are Go's
// threads' business.
static void start(int workers) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    while (threads + 1 < workers && threads < MOST_WORKERS) {
        atomic_store(&unfinished, 1);
        if (pthread_create(&ids[threads], NULL, work, (void *)(intptr_t)(threads + 1))) break;
        threads++;
        while (atomic_load(&unfinished)) pause_briefly();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

// Linux may wake a thread on the processor of the caller, which is busy, and leave
// it there for the whole of a job, so it may not go there.
static void clear_of_caller(void) {
#ifdef __linux__
    static cpu_set_t all;
    static int last = -1, moved; // moved: threads that are clear of it
    if (last < 0 && sched_getaffinity(0, sizeof all, &all)) return;
    const int here = sched_getcpu();
    if (here < 0 || (here == last && moved == threads) || CPU_COUNT(&all) < 2) return;
    cpu_set_t others = all;
    CPU_CLR(here, &others);
    for (int i = 0; i < threads; i++) pthread_setaffinity_np(ids[i], sizeof others, &others);
    last = here, moved = threads;
#endif
}

int threads_run(threads_job *what, void *arg, int workers) {
    if (workers < 2) return what(arg, 0, 1);
    pthread_mutex_lock(&callers);
    if (threads + 1 < workers) start(workers);
    clear_of_caller();
    job = what, argument = arg, sharing = workers < threads + 1 ? workers : threads + 1;
    atomic_store(&failed, 0);
    atomic_store(&unfinished, threads);
    atomic_fetch_add(&number, 1);
    if (atomic_load(&sleeping)) {
        pthread_mutex_lock(&rest);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&rest);
    }
    const int own = what(arg, 0, sharing);
    while (atomic_load(&unfinished)) pause_briefly();
    const int others = atomic_load(&failed);
    pthread_mutex_unlock(&callers);
    return own || others ? -1 : 0;
}

static atomic_int of_calls = 1;

int threads_of_calls(void) { return atomic_load(&of_calls); }
void threads_for_calls(int workers) { atomic_store(&of_calls, workers); }

// A thread's room is freed when it ends.

typedef struct {
    size_t bytes;
    _Alignas(64) char memory[];
} room;

static pthread_key_t rooms;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_rooms;

static void make_rooms(void) { has_rooms = !pthread_key_create(&rooms, free); }

void *threads_room(size_t bytes) {
    pthread_once(&once, make_rooms);
    room *own = has_rooms ? pthread_getspecific(rooms) : NULL;
    if (!has_rooms || (own && own->bytes >= bytes)) return own ? own->memory : NULL;
    free(own);
    void *p = NULL;
    if (posix_memalign(&p, 64, sizeof *own + bytes)) p = NULL;
    if (pthread_setspecific(rooms, p)) {
        free(p);
        pthread_setspecific(rooms, NULL);
        return NULL;
    }
    own = p;
    if (!own) return NULL;
    own->bytes = bytes;
    return own->memory;
}

/* To preload into a program on glibc's allocator: malloc_trim(0) whenever the process gets SIGUSR1. A thread waits for
 * the signal, because a handler may not call that. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void *wait_and_trim(void *set)
{
    for (;;) {
        int signal;
        if (sigwait(set, &signal) == 0)
            malloc_trim(0);
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    static sigset_t set;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    /* Before main: every later thread inherits the mask. */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) || pthread_create(&thread, NULL, wait_and_trim, &set)) {
        fputs("trim_on_signal: no thread to wait for SIGUSR1\n", stderr);
        abort();
    }
}

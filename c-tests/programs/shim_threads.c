/* Preloaded in front of the library: no thread can be started, as where a limit on processes is reached. Counts how often
 * that is tried. */
#include <errno.h>
#include <pthread.h>

unsigned long refused_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
    (void)thread, (void)attributes, (void)body, (void)argument;
    __atomic_fetch_add(&refused_threads, 1, __ATOMIC_RELAXED);
    return EAGAIN;
}

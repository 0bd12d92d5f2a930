/* Preloaded in front of the library: no thread can be started, as where memory for its attributes is missing. Counts how
 * often that is tried. */
#include <errno.h>
#include <pthread.h>

unsigned long refused_threads;

int pthread_attr_init(pthread_attr_t *attributes) {
    (void)attributes;
    __atomic_fetch_add(&refused_threads, 1, __ATOMIC_RELAXED);
    return ENOMEM;
}

/* Preloaded in front of the library: no thread can be started, as where memory for its attributes is missing. Counts how
 * often that is tried; while `holds_refusals` is set, whoever tries waits for the answer. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

unsigned long refused_threads;
int holds_refusals;

int pthread_attr_init(pthread_attr_t *attributes) {
    (void)attributes;
    __atomic_fetch_add(&refused_threads, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&holds_refusals, __ATOMIC_RELAXED)) {
        usleep(1000);
    }
    return ENOMEM;
}

/* Preloaded in front of the library: no thread can be started, as where memory for its attributes is missing. Counts how
 * often that is tried. With ZK_TEST_SLOW each refusal takes 900 ms. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

unsigned long refused_threads;

int pthread_attr_init(pthread_attr_t *attributes) {
    (void)attributes;
    __atomic_fetch_add(&refused_threads, 1, __ATOMIC_RELAXED);
    if (getenv("ZK_TEST_SLOW")) {
        usleep(900000);
    }
    return ENOMEM;
}

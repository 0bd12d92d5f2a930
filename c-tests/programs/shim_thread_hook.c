/* A tool in front that keeps a table of threads, under a lock of its own: it asks for memory, and frees, with that held. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *table;
static size_t threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*entry)(void *), void *argument) {
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    pthread_mutex_lock(&lock);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    }
    size_t bytes = ++threads * ((size_t)40 << 20);
    char *larger = malloc(bytes);
    if (!larger) {
        abort();
    }
    memset(larger, 1, bytes);
    free(table);
    table = larger;
    pthread_mutex_unlock(&lock);
    return next(thread, attributes, entry, argument);
}

/* A shared object whose constructor registers a fork handler, as any library may. Loaded behind libzkalloc its
 * constructor runs first, so its prepare handler runs last: when the library holds its locks for the fork. */
#include <pthread.h>
#include <stdlib.h>

extern void *volatile prepare_victim;
void *volatile prepare_victim;

static void prepare(void) {
    free(prepare_victim);
    prepare_victim = NULL;
}

__attribute__((constructor)) static void register_handler(void) {
    if (pthread_atfork(prepare, NULL, NULL) != 0) {
        abort();
    }
}

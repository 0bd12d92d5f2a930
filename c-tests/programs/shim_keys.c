/* Takes a program's first 32 thread keys before the library is started: behind those glibc allocates a table per thread. */
#include <pthread.h>
#include <stdlib.h>

__attribute__((constructor)) static void take_keys(void) {
    for (int i = 0; i < 64; i++) {
        pthread_key_t key;
        if (pthread_key_create(&key, NULL) != 0) {
            abort();
        }
    }
}

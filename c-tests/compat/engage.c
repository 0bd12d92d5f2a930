// Preloaded beside the library: a first large request, so that in every process the arena serves from the start.
#include <stdlib.h>

__attribute__((constructor)) static void engage(void)
{
    void *volatile block = malloc(1 << 20);
    free(block);
}

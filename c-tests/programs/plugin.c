/* A plugin, opened with RTLD_DEEPBIND: its malloc and free are libc's own, whatever is preloaded. */
#include <stdlib.h>
#include <string.h>

void *plugin_make(size_t size);
void plugin_drop(void *block);
int plugin_use(void);

void *plugin_make(size_t size) {
    void *block = malloc(size);
    if (block) {
        memset(block, 'p', size);
    }
    return block;
}

void plugin_drop(void *block) { free(block); }

int plugin_use(void) {
    for (size_t size = 16; size < 8 << 20; size *= 3) {
        char *block = (char *)plugin_make(size);
        block = block ? (char *)realloc(block, 2 * size) : NULL;
        if (!block || block[size - 1] != 'p') {
            return 0;
        }
        plugin_drop(block);
    }
    return 1;
}

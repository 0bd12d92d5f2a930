/* A plugin with its own way to malloc. What it allocates and frees itself works, and what it hands over may be freed
 * here; so may it free what is libc's here. An arena block that it frees would reach libc's free, which no preloaded
 * library can see: docs/SUPPORTED.md.
 *
 * Usage: deepbind <plugin.so> */
#include "check.h"

int main(int argc, char **argv) {
    check_preload();
    CHECK(argc == 2);
    engage_arena();
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
    CHECK(plugin != NULL);
    int (*use)(void) = (int (*)(void))dlsym(plugin, "plugin_use");
    void *(*make)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_make");
    void (*drop)(void *) = (void (*)(void *))dlsym(plugin, "plugin_drop");
    CHECK(use && make && drop && use());
    for (size_t size = 16; size < 8 * MIB; size *= 2) {
        char *theirs = (char *)make(size);
        CHECK(theirs && !zk_owns(theirs));
        theirs = (char *)realloc(theirs, size + 5000);
        CHECK(theirs && !zk_owns(theirs) && theirs[size - 1] == 'p');
        free(theirs);
    }
    for (size_t size = 16; size < 4096; size *= 2) {
        void *ours = malloc(size);
        CHECK(ours && !zk_owns(ours));
        drop(ours);
    }
    CHECK(zk_set_thread_enabled(0) == 1); /* the way out for a program that must hand large blocks over */
    void *large = malloc(3 * MIB);
    CHECK(large && !zk_owns(large));
    drop(large);
    CHECK(zk_set_thread_enabled(1) == 0);
    CHECK(dlclose(plugin) == 0);
    return 0;
}
